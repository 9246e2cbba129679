import { z } from 'zod'

// Types of values that several sections of the config use. A name that ends in Ms or Bytes says the unit.

export const MIB = 1024 * 1024

/** Milliseconds, one day at most. */
export const duration = (min = 1) =>
  z
    .int()
    .min(min)
    .max(24 * 60 * 60 * 1000)

/** Bytes. */
export const size = (min: number, max: number) => z.int().min(min).max(max)

/** A number of things: connections, requests, tokens. One at least. */
export const count = (max = Number.MAX_SAFE_INTEGER) => z.int().min(1).max(max)

/** A secret is a reference to the place that holds it, so that a config file can be shared and committed. */
export const secretRef = z.union(
  [
    z.strictObject({ env: z.string().min(1).describe('Name of the environment variable that holds it.') }),
    z.strictObject({ file: z.string().min(1).describe('Path of the file that holds it, and nothing else.') }),
  ],
  { error: 'a secret is given by reference, never in the file itself: {"env": "NAME"} or {"file": "PATH"}' },
)

/** One pattern, or several. */
export const glob = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)], {
  error: 'must be a pattern such as "claude-*", or a list of them',
})

/** The patterns of a `glob`; null if it is not given. */
export function toList(patterns: string | string[] | undefined): string[] | null {
  if (patterns === undefined) return null
  return typeof patterns === 'string' ? [patterns] : patterns
}
