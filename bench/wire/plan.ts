import { LINE, messagesOf, TURNS } from '../prompt.js'

/**
 * What the bench's upstream is to do with a request. It travels in the prompt's `user` field, at the beginning of the
 * body, so that it passes through every relay that leaves the body as it is, and the upstream keeps no state.
 */
export interface Plan {
  /** Bytes of a JSON answer; 0 for an event stream. */
  readonly json: number
  /** Events of a stream. */
  readonly chunks: number
  /** Milliseconds between two events; 0 sends them as fast as they are taken. */
  readonly every: number
  /** Bytes of one event, framing not counted. */
  readonly bytes: number
}

/** A stream that is over with its first event. */
export const SHORT_STREAM: Plan = { json: 0, chunks: 1, every: 1, bytes: 200 }

/** A whole answer of 1 KB. */
export const SHORT_ANSWER: Plan = { json: 1_024, chunks: 0, every: 0, bytes: 0 }

const PATTERN = /json=(\d+) chunks=(\d+) every=(\d+) bytes=(\d+)/

export function writePlan(plan: Plan): string {
  return `json=${plan.json} chunks=${plan.chunks} every=${plan.every} bytes=${plan.bytes}`
}

/** @returns null if there is none, or not yet all of it */
export function readPlan(text: string): Plan | null {
  const found = PATTERN.exec(text)
  if (found === null) return null
  const [, json, chunks, every, bytes] = found.map(Number) as [number, number, number, number, number]
  return { json, chunks, every, bytes }
}

/**
 * What stands before a stamp in an event: microseconds of the monotonic clock, in so many digits. Nothing that JSON would
 * escape, as some of them are in a text.
 */
export const STAMP_MARK = 'sent:'
export const STAMP_DIGITS = 16

/** Microseconds of the monotonic clock, which all processes of a machine share (clock_gettime(2)). */
export function nowUs(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1e6 + nanoseconds / 1e3
}

/** The APIs of which a prompt and the events of a stream may be. */
export type Api = 'chat' | 'responses' | 'messages'

/** The name that is asked for where no other is. */
export const MODEL = 'bench-model'

/** A prompt of about `bytes` that carries a plan. */
export function promptWith(plan: Plan, bytes: number, api: Api = 'chat', model: string = MODEL): Buffer {
  const lines = Math.max(1, Math.floor((bytes - 400) / JSON.stringify(LINE).length / TURNS))
  const messages = messagesOf(lines)
  const asked = { model, user: writePlan(plan), stream: plan.json === 0, temperature: 0 }
  if (api === 'responses') return Buffer.from(JSON.stringify({ ...asked, input: messages }))
  // By the system's prompt it can be told from a chat.
  const own = api === 'messages' ? { max_tokens: 4_096, system: LINE } : {}
  return Buffer.from(JSON.stringify({ ...asked, ...own, messages }))
}

/** Digits of a completion's number, which stands at the end of its prompt. */
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

/** Makes it another question, without making it anew. @param request that ends with what `completionWith` has made */
export function renumber(request: Buffer, number: number): void {
  request.write(digitsOf(number), request.length - AFTER_NUMBER.length - NUMBER_DIGITS, 'latin1')
}

function digitsOf(number: number): string {
  return String(number).padStart(NUMBER_DIGITS, '0')
}
