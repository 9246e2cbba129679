import { z } from 'zod'
import { count } from './schema-values.js'

/** The section `stored`. */
export const stored = z.strictObject({
  objects: count(10_000_000)
    .default(100_000)
    .describe(
      'How many objects are remembered that a provider stores: responses, conversations, runs, batches, files. Beyond it the oldest are forgotten. One takes about 200 bytes.',
    ),
  days: count(366)
    .default(30)
    .describe('How long an object is remembered. OpenAI keeps responses for 30 days.'),
  visibleTo: z
    .enum(['team', 'all'])
    .default('team')
    .describe(
      'Who may use an object that was made through this relay. `team`: keys of the team that made it; without keys, the bearer of the same credential. Others are told that it does not exist. `all`: everybody.',
    ),
  lists: z
    .enum(['pass', 'refuse'])
    .default('pass')
    .describe(
      'Lists of all objects, such as `GET /v1/files`. `pass`: a list shows the objects of all teams that share the credential of the upstream. `refuse`: it is refused.',
    ),
})
