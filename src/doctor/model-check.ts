import { type AgentAnswer, readAgentAnswer } from './agent-answer.js'
import {
  AGENT_SHAPES,
  type AgentShape,
  chooseShape,
  createAgentBody,
  createAskBody,
  createFollowUpBody,
  PATCH_TOOL,
  TOOL_NAMES,
  type Urge,
} from './agent-bodies.js'
import { CHAT } from './arrival.js'
import { buildPathUrl } from './base-url.js'
import { fail, pass, type Seen, skip, warn } from './finding.js'
import { isResponse } from './http-request.js'
import { cleanText } from './quote.js'
import { describeEntry, explainRefusal } from './refusal.js'
import type { Visit } from './visit.js'

/** What was seen of a model in Agent mode, with bodies of one shape. */
export interface ShapeFinding extends Seen {
  readonly shape: AgentShape
}

/** How a model works in Cursor. */
export interface ModelFinding {
  readonly model: string
  readonly ask: Seen
  /** The shape that Cursor uses for the model is the first. */
  readonly agent: readonly ShapeFinding[]
  /** An agent's turn with a tool is complete, in the shape that Cursor uses. */
  readonly works: boolean
}

const AT_ONCE = 3
/** Longest time for one answer. */
const ANSWER_MS = 60_000
const QUOTE_MAX = 200

/** Words in names of models that are not for chat, and those of the demo that fail on purpose. */
const OTHER_KINDS =
  /embed|tts|whisper|audio|realtime|transcribe|image|moderation|dall-e|search|instruct|sora|rerank|^thinwire-demo-(?:error|silent)/

/** The models that are tried: those that were named, else the listed ones that are for chat. */
export function chooseModels(visit: ModelChoice): readonly string[] {
  return visit.named.length > 0 ? [...new Set(visit.named)] : listChats(visit).slice(0, visit.modelsMax)
}

/** How many listed models are left out because there are too many. */
export function countLeftOut(visit: ModelChoice): number {
  return visit.named.length > 0 ? 0 : Math.max(0, listChats(visit).length - visit.modelsMax)
}

/** By what models are chosen. */
export type ModelChoice = Pick<Visit, 'named' | 'listed' | 'modelsMax'>

function listChats({ listed }: ModelChoice): string[] {
  // Names with control characters are none, and would be shown.
  return [...new Set(listed)].filter((name) => !OTHER_KINDS.test(name) && cleanText(name, '') === name)
}

/** Plays Cursor with several models. @param onFinding called for each, in the order of `models` */
export async function examineModels(
  visit: Visit,
  models: readonly string[],
  onFinding: (finding: ModelFinding) => void,
): Promise<ModelFinding[]> {
  const found: (ModelFinding | undefined)[] = models.map(() => undefined)
  let next = 0
  let told = 0
  const work = async (): Promise<void> => {
    while (next < models.length) {
      const at = next++
      found[at] = await examineModel(visit, models[at] as string)
      for (let each = found[told]; each !== undefined; each = found[++told]) onFinding(each)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return found.filter((each) => each !== undefined)
}

async function examineModel(visit: Visit, model: string): Promise<ModelFinding> {
  const own = chooseShape(model)
  const shapes = visit.allShapes ? [own, ...AGENT_SHAPES.filter((shape) => shape !== own)] : [own]
  const ask = await tryAsk(visit, model)
  const agent: ShapeFinding[] = []
  for (const shape of shapes) agent.push({ shape, ...(await tryAgent(visit, model, shape)) })
  const works = agent[0]?.outcome === 'ok'
  const learned = visit.findLearned(model)
  const change =
    learned === null
      ? []
      : [`to save a refused request after each start, ${describeEntry(learned, visit.findPlace(model))}`]
  const [first, ...others] = agent.map((each, i) =>
    i === 0 ? { ...each, change: [...each.change, ...change] } : each,
  )
  return { model, ask, agent: first === undefined ? [] : [first, ...others], works }
}

async function tryAsk(visit: Visit, model: string): Promise<Seen> {
  const answer = await requestAnswer(visit, model, createAskBody(model))
  if ('outcome' in answer) return answer
  return answer.text.trim() === '' ? fail('the answer has no text') : pass('answered')
}

async function tryAgent(visit: Visit, model: string, shape: AgentShape): Promise<Seen> {
  let answer = await requestAnswer(visit, model, createAgentBody(shape, model, 'auto'))
  if ('outcome' in answer) return answer
  if (answer.calls.length === 0) {
    const urge: Urge = 'required'
    const again = await requestAnswer(visit, model, createAgentBody(shape, model, urge))
    // Models that think may refuse to be urged.
    const { fault } = visit
    if (fault !== null) return fault.seen
    if ('outcome' in again || again.calls.length === 0)
      return warn(
        'it did not call a tool, though it was asked twice to',
        'take a model that is made for tools; a small context of a local server can be the cause, too',
      )
    answer = again
  }
  const { calls } = answer
  const called = [...new Set(calls.map(({ name }) => name))].join(' and ')
  const last = await requestAnswer(visit, model, createFollowUpBody(shape, model, answer))
  if ('outcome' in last) return { ...last, seen: `after the result of ${called}: ${last.seen}` }
  if (last.text.trim() === '' && last.calls.length === 0)
    return fail(`after the result of ${called}: an answer without text`)
  return pass(`called ${called}, then ${last.calls.length === 0 ? 'answered' : 'called another tool'}`)
}

/** @returns why there is no answer that Cursor can read */
async function requestAnswer(visit: Visit, model: string, body: string): Promise<AgentAnswer | Seen> {
  const known = visit.fault
  if (known !== null) return skip(known.why)
  // Cursor's servers send no Origin.
  const headers = { ...visit.authorization, 'content-type': 'application/json' }
  const response = await visit.send('POST', buildPathUrl(visit.base, CHAT), headers, body, 0, ANSWER_MS)
  if (!isResponse(response)) return fail(response.reason)
  const { key, thinwire } = visit
  const { cursor } = visit.base
  if (response.status !== 200) {
    // Found in this response, or in that of another model.
    const { fault } = visit as Pick<Visit, 'fault'>
    if (fault !== null) return fault.seen
    return explainRefusal(response, {
      model,
      body,
      key,
      thinwire,
      cursor,
      place: visit.findPlace(model),
    })
  }
  const answer = readAgentAnswer(response, { names: TOOL_NAMES, freeText: PATCH_TOOL })
  const clean = (text: string): string => cleanText(text, key).slice(0, QUOTE_MAX)
  if (answer.error !== null) return fail(`an error within the answer: ${clean(answer.error)}`)
  if (answer.flaw !== null)
    return fail(
      `200, but ${clean(answer.flaw)}`,
      visit.base.cursor
        ? 'see the log of the relay for this request'
        : 'enter a base URL that ends in /cursor/v1',
    )
  return answer
}
