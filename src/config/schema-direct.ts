import { z } from 'zod'

/** The section `direct`. */
export const direct = z.strictObject({
  upstream: z
    .string()
    .optional()
    .describe(
      'Name of the entry of `upstreams` that the front calls itself while no relay runs. Not given: the one with the preset `openai`.',
    ),
  budgetedKeys: z
    .boolean()
    .default(false)
    .describe(
      'Whether keys with a budget (`usd` or `tokens` of a limit rule) may go direct. Nothing is counted there, so that no budget holds.',
    ),
  maxAgeSeconds: z
    .int()
    .min(5)
    .max(86_400)
    .nullable()
    .default(60)
    .describe(
      'A list that `keys export --follow` has not renewed for this long is refused by the front: revoked keys would stay valid. `null`: it is good for ever. Seconds.',
    ),
})
