import { ERRORS } from '../api/errors.js'
import { BUCKETS, DURATIONS } from './buckets.js'
import { COUNTS, type CountName, OTHER } from './shapes.js'

/**
 * What is kept of requests are numbers by small keys: first the counts in the order of `COUNTS`, then the buckets of the
 * durations, then the codes of errors. A cell has those that are not 0.
 */

/** Key of the first bucket of the first duration. There is room for more counts. */
export const DURATIONS_AT = 32

/** Key of the first error code. */
export const CODES_AT = DURATIONS_AT + DURATIONS.length * BUCKETS

/** Codes of this version; the last one stands for those of others. */
export const CODES: readonly string[] = [...Object.keys(ERRORS), OTHER]

/** Number of keys. */
export const KEYS = CODES_AT + CODES.length

const codeKeys = new Map(CODES.map((code, i) => [code, CODES_AT + i]))

/** Key of each count. */
export const KEY = Object.fromEntries(COUNTS.map((name, i) => [name, i])) as Readonly<
  Record<CountName, number>
>

export function keyOfCode(code: string): number {
  return codeKeys.get(code) ?? KEYS - 1
}

/** @param duration index in `DURATIONS` */
export function keyOfBucket(duration: number, bucket: number): number {
  return DURATIONS_AT + duration * BUCKETS + bucket
}
