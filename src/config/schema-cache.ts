import { z } from 'zod'
import { duration, glob, MIB, size } from './schema-values.js'

const cacheRule = z.strictObject({
  path: glob.optional().describe('Path after /v1, * for anything. None: any path.'),
  model: glob.optional().describe('Model as the client names it, * for anything. None: any model.'),
  team: glob.optional().describe('Team of the key. None: any.'),
  maxTokens: z
    .int()
    .min(1)
    .optional()
    .describe('Only requests that ask for no more (max_tokens, max_completion_tokens). None: any.'),
  promptBytes: size(1, 64 * MIB)
    .default(64 * 1024)
    .describe('Only requests that are no larger.'),
  tools: z.boolean().default(false).describe('Requests with tools, too.'),
})

export const cache = z.strictObject({
  enabled: z.boolean().default(true).describe('Answer repeated autocomplete requests from memory.'),
  bytes: size(64 * 1024, 64 * 1024 * MIB)
    .default(64 * MIB)
    .describe(
      'Answers kept, with their prompts, all together; those that were asked for longest ago go first.',
    ),
  entryBytes: size(1024, 64 * MIB)
    .default(256 * 1024)
    .describe('A longer answer is not kept, and nobody joins it any more.'),
  ttlMs: duration().default(5_000).describe('An answer is kept for so long.'),
  scope: z
    .enum(['key', 'team', 'all'])
    .default('key')
    .describe('Who may get an answer that was made for another: the same key, its team, all.'),
  prefix: z
    .boolean()
    .default(true)
    .describe('Answer a completion whose first characters have been typed with the rest of it.'),
  supersede: z
    .boolean()
    .default(false)
    .describe(
      'A newer autocomplete request of the same session (x-thinwire-session, or else key, path, model and client) ends the older one.',
    ),
  rules: z
    .array(cacheRule)
    .default([
      { path: ['/completions', '/fim/completions'], promptBytes: 64 * 1024, tools: false },
      { path: '/chat/completions', maxTokens: 256, promptBytes: 64 * 1024, tools: false },
    ])
    .describe('What counts as autocomplete: a request that one of these matches.'),
})
