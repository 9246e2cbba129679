import type { Fields } from '../readers/events.js'
import { validateChat } from '../vendors/chat.js'
import { listOf, membersOf } from '../vendors/checks.js'
import { type ModelAnswer, type Random, splitText } from './answers.js'
import type { ModelApi, Written } from './model.js'
import { callOf, drawId, inputOf, plainInput, quote, sse, streamFlag } from './model-texts.js'

/** What tells models apart that speak chat completions. */
export interface ChatModelOptions {
  /** `counted`: as Kimi gives them, which counts the calls of the history: after a removed turn they come again. */
  readonly ids: 'random' | 'counted'
  /** DeepSeek and Kimi want their `reasoning_content` back, and Gemini's compatible API a signature of the first call. */
  readonly thinking: 'reasoning_content' | 'thought_signature'
  /** Chats of one team begin alike: where nothing tells two of them apart, a turn may come without its thinking. */
  readonly alike?: boolean
}

/** A call that the model has made. */
interface MadeCall {
  readonly thinking: string
  /** What was ahead of its turn, and its id. */
  readonly place: string
}

/** The messages as text, without thinking. */
function tell(messages: readonly unknown[]): string {
  return quote(messages.map((message) => ({ ...membersOf(message), reasoning_content: undefined })))
}

/** What Gemini takes for a signature that is not known. */
const ANY_SIGNATURE = 'skip_thought_signature_validator'
/** Gemini's compatible API refuses what its schema does not have. */
const UNKNOWN_TO_GEMINI = ['store', 'metadata', 'presence_penalty', 'frequency_penalty']

/** A model behind chat completions that refuses a call without the thinking that belongs to it. */
export function createChatModel(
  random: Random,
  { ids, thinking, alike = false }: ChatModelOptions,
): ModelApi {
  const isGemini = thinking === 'thought_signature'
  /** Signatures by the id of a call. */
  const known = new Map<string, string>()
  /** By the nonce of a call. */
  const made = new Map<string, MadeCall>()
  /** By the place of a call, the sessions that have one there. */
  const sessions = new Map<string, Set<string>>()
  /** By the session and the id, or by the id alone if chats begin alike, the places of its calls. */
  const places = new Map<string, Set<string>>()
  // No two sessions describe their tools alike.
  const scopeOf = (body: Fields, id: string): string => (alike ? id : `${quote(body.tools)} ${id}`)
  const nextId = (name: string, count: number): string => {
    if (isGemini) return `function-call-${Math.floor(random() * 1e9)}${Math.floor(1e9 + random() * 1e9)}`
    return ids === 'random' ? drawId(random, 'call_00_') : `functions.${name}:${count}`
  }
  const keep = (body: Fields, nonce: string, id: string, thinking: string): void => {
    const place = `${tell(listOf(body.messages))} ${id}`
    made.set(nonce, { thinking, place })
    const users = sessions.get(place) ?? new Set()
    sessions.set(place, users.add(quote(body.tools)))
    const scope = scopeOf(body, id)
    places.set(scope, (places.get(scope) ?? new Set()).add(place))
  }
  const sign = (id: string, n: number): string => {
    if (!isGemini || n > 0) return ''
    const signature = drawId(random, 'Sig')
    known.set(id, signature)
    return `,"extra_content":{"google":{"thought_signature":"${signature}"}}`
  }
  const write = (answer: ModelAnswer, streamed: boolean, body: Fields): Written => {
    const earlier = callsOf(body).length
    const calls = answer.calls.map((call, n) => {
      const id = nextId(call.name, earlier + n)
      return { call, id, extra: sign(id, n) }
    })
    for (const { call, id } of calls) if (call.nonce !== null) keep(body, call.nonce, id, answer.thinking)
    const base = `"id":"chatcmpl-1","created":1700000000,"model":"deepseek-x"`
    const finish = calls.length > 0 ? 'tool_calls' : 'stop'
    const usage = '"usage":{"prompt_tokens":12,"completion_tokens":3,"total_tokens":15}'
    if (!streamed) {
      const written = calls.map(
        ({ call, id, extra }) =>
          `{"id":"${id}","type":"function","function":{"name":"${call.name}","arguments":${quote(inputOf(call))}}${extra}}`,
      )
      const reasoning = isGemini ? '' : `,"reasoning_content":${quote(answer.thinking)}`
      const message =
        `{"role":"assistant","content":${answer.text === '' ? 'null' : quote(answer.text)}` +
        `${reasoning}${written.length > 0 ? `,"tool_calls":[${written.join(',')}]` : ''}}`
      const choice = `{"index":0,"message":${message},"logprobs":null,"finish_reason":"${finish}"}`
      return { parts: [`{${base},"object":"chat.completion","choices":[${choice}],${usage}}`], ending: 0 }
    }
    const chunk = (delta: string, reason = 'null'): string =>
      sse(
        `{${base},"object":"chat.completion.chunk","choices":[{"index":0,"delta":${delta},"logprobs":null,"finish_reason":${reason}}]}`,
      )
    const parts = [chunk('{"role":"assistant","content":""}')]
    for (const each of splitText(random, answer.thinking))
      parts.push(chunk(`{"reasoning_content":${quote(each)}}`))
    for (const each of splitText(random, answer.text)) parts.push(chunk(`{"content":${quote(each)}}`))
    for (const [index, { call, id, extra }] of calls.entries()) {
      // Gemini sends each call at once.
      const args = isGemini ? quote(inputOf(call)) : '""'
      parts.push(
        chunk(
          `{"tool_calls":[{"index":${index},"id":"${id}","type":"function","function":{"name":"${call.name}","arguments":${args}}${extra}}]}`,
        ),
      )
      if (isGemini) continue
      for (const each of splitText(random, inputOf(call)))
        parts.push(chunk(`{"tool_calls":[{"index":${index},"function":{"arguments":${quote(each)}}}]}`))
    }
    const ending = parts.length
    parts.push(chunk('{}', `"${finish}"`))
    if (membersOf(body.stream_options).include_usage === true)
      parts.push(sse(`{${base},"object":"chat.completion.chunk","choices":[],${usage}}`))
    parts.push(sse('[DONE]'))
    return { parts, ending }
  }
  const callsOf = (body: Fields) =>
    listOf(body.messages).flatMap((message, at) =>
      listOf(membersOf(message).tool_calls).map((call, n) => ({
        at,
        isFirst: n === 0,
        reasoning: membersOf(message).reasoning_content,
        signature: membersOf(membersOf(membersOf(call).extra_content).google).thought_signature,
        id: String(membersOf(call).id),
        made: membersOf(membersOf(call).function),
      })),
    )
  /** Whether the relay can know whose thinking it is: by all that is ahead of the turn, or else by the id alone. */
  const isKnown = (body: Fields, { place }: MadeCall, id: string, at: number): boolean => {
    if (`${tell(listOf(body.messages).slice(0, at))} ${id}` === place)
      return !alike || sessions.get(place)?.size === 1
    return (places.get(scopeOf(body, id))?.size ?? 0) < 2
  }
  const hasThinking = (
    body: Fields,
    { made: call, reasoning, signature, id, isFirst, at }: ReturnType<typeof callsOf>[number],
  ) => {
    if (isGemini) return signature === (isFirst ? (known.get(id) ?? ANY_SIGNATURE) : undefined)
    const { nonce } = callOf(call.name, String(call.arguments))
    if (nonce === null) return typeof reasoning === 'string'
    const own = made.get(nonce)
    if (reasoning === (own?.thinking ?? '')) return true
    return own !== undefined && reasoning === '' && !isKnown(body, own, id, at)
  }
  return {
    api: 'chat',
    list: 'messages',
    isStreamed: streamFlag,
    thinks: () => !isGemini,
    write,
    validate: (body) => [
      ...validateChat(body, { functionsAlone: true, thinking }),
      ...UNKNOWN_TO_GEMINI.filter((name) => isGemini && name in body),
    ],
    checkThinking: (body) =>
      callsOf(body)
        .filter((call) => !hasThinking(body, call))
        .map(({ id, reasoning, signature }) => `the thinking of ${id} is ${quote(signature ?? reasoning)}`),
    listCalls: (body) =>
      callsOf(body).map(({ made }) => callOf(made.name, plainInput(made.name, String(made.arguments)))),
  }
}
