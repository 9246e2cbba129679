import { z } from 'zod'
import { count, duration, glob, MIB, size } from './schema-values.js'

const cacheRule = z.strictObject({
  path: glob.optional().describe('Path after `/v1`, or a list; `*` matches anything. Not given: any path.'),
  model: glob
    .optional()
    .describe('Model name of the client, or a list; `*` matches anything. Not given: any model.'),
  team: glob.optional().describe('Team of the key, or a list; `*` matches anything. Not given: any team.'),
  maxTokens: count()
    .optional()
    .describe(
      'Matches requests whose `max_tokens` or `max_completion_tokens` is at most this. Not given: any.',
    ),
  maxTemperature: z
    .number()
    .min(0, 'must be at least 0')
    .max(10, 'must be at most 10')
    .optional()
    .describe(
      'Matches requests for one answer (`n` of 1, or none) whose `temperature` is at most this. Not given: any, also deliberate samples.',
    ),
  promptBytes: size(1, 64 * MIB)
    .default(64 * 1024)
    .describe('Matches requests with a body of at most this size.'),
  tools: z.boolean().default(false).describe('`true`: matches requests with tools, too.'),
})

/** The section `cache`. */
export const cache = z.strictObject({
  enabled: z.boolean().default(true).describe('Answer repeated autocomplete requests from memory.'),
  bytes: size(64 * 1024, 64 * 1024 * MIB)
    .default(64 * MIB)
    .describe(
      'Memory for all cached responses and their prompts. The least recently used are removed first.',
    ),
  entryBytes: size(1024, 64 * MIB)
    .default(256 * 1024)
    .describe('Largest response that is cached or shared between requests.'),
  ttlMs: duration().default(5_000).describe('How long a response stays in the cache.'),
  scope: z
    .enum(['key', 'team', 'all'])
    .default('key')
    .describe('Who shares cached responses: requests with the same key, of the same team, or all.'),
  prefix: z
    .boolean()
    .default(true)
    .describe(
      'When the user has typed the first characters of a cached completion, answer with the rest of it.',
    ),
  supersede: z
    .boolean()
    .default(false)
    .describe(
      'A newer autocomplete request of a session cancels the older one, upstream too. The session is `x-thinwire-session`, or else key, path, model and client.',
    ),
  rules: z
    .array(cacheRule)
    .default([
      { path: ['/completions', '/fim/completions'], promptBytes: 64 * 1024, tools: false },
      {
        path: '/chat/completions',
        maxTokens: 256,
        maxTemperature: 0.5,
        promptBytes: 64 * 1024,
        tools: false,
      },
    ])
    .describe(
      'Which requests count as autocomplete: those that match at least one rule. A chat that samples on purpose (no `temperature`, or more than 0.5, or `n` above 1) is cached and shared only by a rule of your own without `maxTemperature`.',
    ),
})
