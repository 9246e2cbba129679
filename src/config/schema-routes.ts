import { z } from 'zod'
import { duration, glob } from './schema-values.js'

const target = z.strictObject({
  upstream: z.string().describe('Name of an entry of upstreams.'),
  model: z
    .string()
    .min(1)
    .optional()
    .describe("The name that the upstream knows the model by. None: the client's own."),
  weight: z
    .number()
    .min(0)
    .max(1_000_000)
    .default(1)
    .describe('Its share of the requests, with strategy "weight". 0: it is asked when no other can be.'),
})

/** Where requests go: to one upstream, or to one of several. */
export const destination = {
  upstream: z.string().optional().describe('Name of an entry of upstreams. Or else targets.'),
  targets: z
    .array(target)
    .min(1)
    .optional()
    .describe('Several of them, in their order: the next is asked where one does not answer.'),
  strategy: z
    .enum(['order', 'weight', 'latency'])
    .default('order')
    .describe('Which target is asked first: the first in the list, one by weight, or the fastest of late.'),
  failover: z
    .boolean()
    .optional()
    .describe('Ask the next target where one fails. None given: where that is safe.'),
  firstTokenMs: duration()
    .optional()
    .describe(
      'Ask the next target, too, where an answer has begun and had nothing in it for so long. None: never.',
    ),
  hedge: z
    .boolean()
    .default(false)
    .describe(
      'Ask a second target, too, where the first is slower than it usually is; the quicker answer is taken.',
    ),
}

const team = glob.optional().describe('Team of the key, * for anything. None: any.')

export const route = z.strictObject({
  path: glob.optional().describe('Path after /v1, * for anything: "/messages*". None: any path.'),
  model: glob.optional().describe('Model name, * for anything: "claude-*". None: any model.'),
  team,
  ...destination,
})

export const alias = z.strictObject({
  model: z.string().min(1).optional().describe('The name that the upstream knows the model by.'),
  team,
  ...destination,
})
