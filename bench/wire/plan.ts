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

/** What stands before a stamp in an event: microseconds of the monotonic clock, in so many digits. */
export const STAMP_MARK = '"t":"'
export const STAMP_DIGITS = 16

/** Microseconds of the monotonic clock, which all processes of a machine share (clock_gettime(2)). */
export function nowUs(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1e6 + nanoseconds / 1e3
}

/** A chat prompt of about `bytes` that carries a plan. */
export function promptWith(plan: Plan, bytes: number): Buffer {
  const line = 'const relay = new Relay("x", { timeouts });\n\treturn relay; // naïve\n'
  const content = line.repeat(Math.max(1, Math.floor((bytes - 400) / JSON.stringify(line).length / 8)))
  return Buffer.from(
    JSON.stringify({
      model: 'bench-model',
      user: writePlan(plan),
      stream: plan.json === 0,
      temperature: 0,
      messages: Array.from({ length: 8 }, (_, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content })),
    }),
  )
}
