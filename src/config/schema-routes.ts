import { z } from 'zod'
import { duration, glob } from './schema-values.js'

const target = z.strictObject({
  upstream: z.string().describe('Name of an entry of `upstreams`.'),
  model: z
    .string()
    .min(1)
    .optional()
    .describe("Model name that this upstream gets. Not given: the client's own."),
  weight: z
    .number()
    .min(0)
    .max(1_000_000)
    .default(1)
    .describe('Share of the requests, with `strategy` `weight`. 0: used only when no other target can be.'),
})

/** The settings that routes and models share: the targets of a request, and how one is picked. */
export const destination = {
  upstream: z.string().optional().describe('Name of an entry of `upstreams`. Give this or `targets`.'),
  targets: z
    .array(target)
    .min(1)
    .optional()
    .describe('Several upstreams, in order: the next one is tried when one fails.'),
  strategy: z
    .enum(['order', 'weight', 'latency'])
    .default('order')
    .describe(
      'Which target is tried first. `order`: the first in the list. `weight`: a random one, by weight. `latency`: the one that was fastest recently. With these two, all requests of a chat go to the same one.',
    ),
  failover: z
    .boolean()
    .optional()
    .describe(
      'Whether the next target is tried when one fails. Not given: where a second attempt is safe, as it costs only tokens.',
    ),
  firstTokenMs: duration()
    .optional()
    .describe(
      'The next target is tried when a stream has begun and has no token after this time. Not given: never for this reason.',
    ),
  hedge: z
    .boolean()
    .default(false)
    .describe(
      'When the first target is slower than usual, a second one gets the request too. The first response wins, the other request is cancelled.',
    ),
  translate: z
    .boolean()
    .default(false)
    .describe(
      'Translate requests on `/v1` to an API that the target has: a chat client can use Claude, Claude Code can use GPT. `/cursor` always translates.',
    ),
}

const team = glob
  .optional()
  .describe('Team of the key, or a list; `*` matches anything. Not given: any team.')

/** An entry of `routes`. */
export const route = z.strictObject({
  path: glob
    .optional()
    .describe('Path after `/v1`, or a list; `*` matches anything: `/messages*`. Not given: any path.'),
  model: glob
    .optional()
    .describe('Model name, or a list; `*` matches anything: `claude-*`. Not given: any model.'),
  team,
  ...destination,
})

/** An entry of `models`. */
export const alias = z.strictObject({
  model: z
    .string()
    .min(1)
    .optional()
    .describe(
      "Model name that the upstream gets. Not given: the client's own. With `targets` each has its own.",
    ),
  team: glob
    .optional()
    .describe('Only keys of this team, or of a list of teams, can use the model. Not given: any team.'),
  ...destination,
})
