import { z } from 'zod'

// What settings of several sections are made of.

export const MIB = 1024 * 1024

/** In milliseconds, a day at most. */
export const duration = (min = 1) =>
  z
    .int()
    .min(min)
    .max(24 * 60 * 60 * 1000)
/** In bytes, or a number of what is counted. */
export const size = (min: number, max: number) => z.int().min(min).max(max)

/** A secret is a reference to where it is kept, so that a config file can be shared and committed. */
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
