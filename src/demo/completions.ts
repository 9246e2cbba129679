import { createUsage } from './chat.js'
import { asFields, type Fields, readLimit, readStops, refuseChoices } from './fields.js'
import { continueText, type Generation } from './model.js'
import { createInvalid, createMissing } from './problem.js'
import { type Prompt, readPrompt } from './prompt.js'
import { createId, epochSeconds, formatEvent, PAUSE, type ReplyContent, type Step } from './reply.js'

/** Answers `POST /v1/completions` (OpenAI API reference: Completions, The completion object). */
export function answerCompletion(body: Fields): ReplyContent {
  const text = readText(body.prompt)
  refuseChoices(body)
  const limit = readLimit(body, 'max_tokens')
  const prompt = readPrompt(body, [{ role: 'user', texts: [text] }], limit, readStops(body.stop))
  const generation = continueText(prompt)
  if (body.stream !== true) {
    const only = createChoice(generation.pieces.join(''), getFinishReason(generation))
    return { body: { ...makeHead(prompt), choices: [only], usage: createUsage(generation) } }
  }
  return { steps: stream(prompt, generation, asFields(body.stream_options).include_usage === true) }
}

/** A prompt is a string, an array with one string, or token ids. The demo cannot decode ids. */
function readText(prompt: unknown): string {
  if (prompt === undefined || prompt === null) throw createMissing('prompt')
  if (typeof prompt === 'string') return prompt
  if (!Array.isArray(prompt)) throw createInvalid('prompt', 'a string or an array')
  if (prompt.length > 0 && prompt.every((token) => typeof token === 'number')) return ''
  if (prompt.length === 1 && typeof prompt[0] === 'string') return prompt[0]
  throw createInvalid('prompt', 'one string: the demo upstream returns one choice for each request')
}

function* stream(prompt: Prompt, generation: Generation, withUsage: boolean): Generator<Step, void> {
  const head = makeHead(prompt)
  const tail = withUsage ? { usage: null } : {}
  for (const piece of generation.pieces) {
    yield PAUSE
    yield formatEvent({ ...head, choices: [createChoice(piece, null)], ...tail })
  }
  yield formatEvent({ ...head, choices: [createChoice('', getFinishReason(generation))], ...tail })
  if (withUsage) yield formatEvent({ ...head, choices: [], usage: createUsage(generation) })
  yield 'data: [DONE]\n\n'
}

function makeHead(prompt: Prompt): Fields {
  return { id: createId('cmpl-'), object: 'text_completion', created: epochSeconds(), model: prompt.model }
}

function createChoice(text: string, reason: string | null): unknown {
  return { text, index: 0, logprobs: null, finish_reason: reason }
}

function getFinishReason(generation: Generation): string {
  return generation.end === 'length' ? 'length' : 'stop'
}
