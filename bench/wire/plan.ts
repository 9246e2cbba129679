import { agentChat } from '../micro/agent-chat.js'
import { LINE, messagesOf, TURNS } from '../prompt.js'

/**
 * What the bench's upstream must do with a request. The plan is in the `user` field at the beginning of the body, so
 * that it passes through every relay that does not change the body, and the upstream keeps no state.
 */
export interface Plan {
  /** Bytes of a JSON response; 0 for an event stream. */
  readonly json: number
  /** Events of a stream. */
  readonly chunks: number
  /** Milliseconds between two events; 0 sends them as fast as they are taken. */
  readonly every: number
  /** Bytes of one event, framing not counted. */
  readonly bytes: number
  /** Streams that get their events at the same moments, from the second event on. Not given: each has its own. */
  readonly together?: number
}

/** A stream of one event. */
export const SHORT_STREAM: Plan = { json: 0, chunks: 1, every: 1, bytes: 200 }

/** A JSON response of 1 KB. */
export const SHORT_ANSWER: Plan = { json: 1_024, chunks: 0, every: 0, bytes: 0 }

const PATTERN = /json=(\d+) chunks=(\d+) every=(\d+) together=(\d+) bytes=(\d+)/

export function writePlan(plan: Plan): string {
  return `json=${plan.json} chunks=${plan.chunks} every=${plan.every} together=${plan.together ?? 0} bytes=${plan.bytes}`
}

/** @returns null if there is no plan, or it is not complete */
export function readPlan(text: string): Plan | null {
  const found = PATTERN.exec(text)
  if (found === null) return null
  const numbers = found.slice(1).map(Number) as [number, number, number, number, number]
  const [json, chunks, every, together, bytes] = numbers
  return { json, chunks, every, bytes, ...(together === 0 ? {} : { together }) }
}

/**
 * The text before the stamp of an event, which is the time in microseconds of the monotonic clock with a fixed number
 * of digits. It has no characters that JSON escapes.
 */
export const STAMP_MARK = 'sent:'
export const STAMP_DIGITS = 16

/** Microseconds of the monotonic clock, which all processes of a machine share (clock_gettime(2)). */
export function nowUs(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1e6 + nanoseconds / 1e3
}

/** A header of responses over a TLS connection that began with the session of an earlier one. */
export const RESUMED_HEADER = 'x-bench-resumed: 1'

/** The APIs of prompts and streams. */
export type Api = 'chat' | 'responses' | 'messages' | 'gemini'

/** The default model name. */
export const MODEL = 'bench-model'

/** The name by which Gemini's own API is reached: its prompts are chats, as no client writes it. */
export const GEMINI_MODEL = 'bench-native'

/** A prompt of about `bytes` that carries a plan. */
export function promptWith(plan: Plan, bytes: number, api: Api = 'chat', model: string = MODEL): Buffer {
  const lines = Math.max(1, Math.floor((bytes - 400) / JSON.stringify(LINE).length / TURNS))
  const messages = messagesOf(lines)
  if (api === 'gemini') {
    // The API has no field for the user.
    const planned = [{ role: 'system', content: writePlan(plan) }, ...messages]
    return Buffer.from(
      JSON.stringify({ model: GEMINI_MODEL, stream: plan.json === 0, temperature: 0, messages: planned }),
    )
  }
  const asked = { model, user: writePlan(plan), stream: plan.json === 0, temperature: 0 }
  if (api === 'responses') return Buffer.from(JSON.stringify({ ...asked, input: messages }))
  // The system prompt distinguishes it from a chat.
  const own = api === 'messages' ? { max_tokens: 4_096, system: LINE } : {}
  return Buffer.from(JSON.stringify({ ...asked, ...own, messages }))
}

/** A coding agent's prompt of about `bytes` that carries a plan. @param turns earlier steps of the agent's work */
export function agentPromptWith(plan: Plan, bytes: number, turns: number): Buffer {
  return agentChat('chat', bytes, turns, { model: MODEL, user: writePlan(plan) })
}

/** Digits of a completion's number, which is at the end of its prompt. */
export const NUMBER_DIGITS = 12

const AFTER_NUMBER = '"}'

/** An autocomplete prompt of about `bytes` that carries a plan. Another number makes it another question. */
export function completionWith(plan: Plan, bytes: number, number: number): Buffer {
  const lines = Math.max(1, Math.floor((bytes - 150) / JSON.stringify(LINE).length))
  return Buffer.from(
    JSON.stringify({
      model: MODEL,
      user: writePlan(plan),
      stream: plan.json === 0,
      temperature: 0,
      max_tokens: 64,
      prompt: LINE.repeat(lines) + digitsOf(number),
    }),
  )
}

/** Changes the number in place. @param request bytes that end with the result of `completionWith` */
export function renumber(request: Buffer, number: number): void {
  request.write(digitsOf(number), request.length - AFTER_NUMBER.length - NUMBER_DIGITS, 'latin1')
}

function digitsOf(number: number): string {
  return String(number).padStart(NUMBER_DIGITS, '0')
}
