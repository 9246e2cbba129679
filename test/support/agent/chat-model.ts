import type { Fields } from '../readers/events.js'
import { validateChat } from '../vendors/chat.js'
import { listOf, membersOf } from '../vendors/checks.js'
import { type ModelAnswer, type Random, splitText } from './answers.js'
import type { ModelApi, Written } from './model.js'
import { callOf, drawId, inputOf, plainInput, quote, sse, streamFlag } from './model-texts.js'

/** What tells models apart that speak chat completions. */
export interface ChatModelOptions {
  /** `counted`: as Kimi gives them, which begins at 0 in each conversation. */
  readonly ids: 'random' | 'counted'
  /** DeepSeek and Kimi want their `reasoning_content` back, and Gemini's compatible API a signature of the first call. */
  readonly thinking: 'reasoning_content' | 'thought_signature'
}

/** What Gemini takes for a signature that is not known. */
const ANY_SIGNATURE = 'skip_thought_signature_validator'
/** Gemini's compatible API refuses what its schema does not have. */
const UNKNOWN_TO_GEMINI = ['store', 'metadata', 'presence_penalty', 'frequency_penalty']

/** A model behind chat completions that refuses a call without the thinking that belongs to it. */
export function createChatModel(random: Random, { ids, thinking }: ChatModelOptions): ModelApi {
  const isGemini = thinking === 'thought_signature'
  /** Thinking by the nonce of a call; signatures by its id. */
  const known = new Map<string, string>()
  const counts = new Map<string, number>()
  const nextId = (name: string, body: Fields): string => {
    if (isGemini) return `function-call-${Math.floor(random() * 1e9)}${Math.floor(1e9 + random() * 1e9)}`
    if (ids === 'random') return drawId(random, 'call_00_')
    // No two sessions describe their tools alike.
    const session = quote(body.tools)
    const count = counts.get(session) ?? 0
    counts.set(session, count + 1)
    return `functions.${name}:${count}`
  }
  const sign = (id: string, n: number): string => {
    if (!isGemini || n > 0) return ''
    const signature = drawId(random, 'Sig')
    known.set(id, signature)
    return `,"extra_content":{"google":{"thought_signature":"${signature}"}}`
  }
  const write = (answer: ModelAnswer, streamed: boolean, body: Fields): Written => {
    const calls = answer.calls.map((call, n) => {
      const id = nextId(call.name, body)
      return { call, id, extra: sign(id, n) }
    })
    if (!isGemini) for (const { nonce } of answer.calls) if (nonce !== null) known.set(nonce, answer.thinking)
    const base = `"id":"chatcmpl-1","created":1700000000,"model":"deepseek-x"`
    const finish = calls.length > 0 ? 'tool_calls' : 'stop'
    const usage = '"usage":{"prompt_tokens":12,"completion_tokens":3,"total_tokens":15}'
    if (!streamed) {
      const made = calls.map(
        ({ call, id, extra }) =>
          `{"id":"${id}","type":"function","function":{"name":"${call.name}","arguments":${quote(inputOf(call))}}${extra}}`,
      )
      const reasoning = isGemini ? '' : `,"reasoning_content":${quote(answer.thinking)}`
      const message =
        `{"role":"assistant","content":${answer.text === '' ? 'null' : quote(answer.text)}` +
        `${reasoning}${made.length > 0 ? `,"tool_calls":[${made.join(',')}]` : ''}}`
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
    listOf(body.messages).flatMap((message) =>
      listOf(membersOf(message).tool_calls).map((call, n) => ({
        isFirst: n === 0,
        reasoning: membersOf(message).reasoning_content,
        signature: membersOf(membersOf(membersOf(call).extra_content).google).thought_signature,
        id: String(membersOf(call).id),
        made: membersOf(membersOf(call).function),
      })),
    )
  const hasThinking = ({ made, reasoning, signature, id, isFirst }: ReturnType<typeof callsOf>[number]) => {
    if (isGemini) return signature === (isFirst ? (known.get(id) ?? ANY_SIGNATURE) : undefined)
    const { nonce } = callOf(made.name, String(made.arguments))
    return nonce === null ? typeof reasoning === 'string' : reasoning === (known.get(nonce) ?? '')
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
        .filter((call) => !hasThinking(call))
        .map(({ id, reasoning, signature }) => `the thinking of ${id} is ${quote(signature ?? reasoning)}`),
    listCalls: (body) =>
      callsOf(body).map(({ made }) => callOf(made.name, plainInput(made.name, String(made.arguments)))),
  }
}
