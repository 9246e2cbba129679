import { randomBytes } from 'node:crypto'

/**
 * A random id, for a response that has none.
 * @param prefix what the API's ids begin with: `chatcmpl-`, `resp_`, `msg_`
 */
export function createId(prefix: string): string {
  return prefix + randomBytes(12).toString('hex')
}

/** The time in seconds since 1970, as `created` has it. */
export function epochSeconds(): number {
  return Math.floor(Date.now() / 1000)
}

/** The time of a response; now, if the upstream gives none that JSON can have (it may have written `1e400`). */
export function asCreated(created: number | null): number {
  return created !== null && Number.isFinite(created) ? created : epochSeconds()
}
