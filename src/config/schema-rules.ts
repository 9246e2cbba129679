import { z } from 'zod'
import { count, glob, secretRef } from './schema-values.js'

/** A million dollars: in nano-dollars, sums up to it are exact as numbers. */
const MOST_USD = 1_000_000

const usd = () => z.number().positive().max(MOST_USD)

/** A name that can stand in a metric, a header and a terminal. */
const ruleName = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/i, {
  error: 'is not a name for a rule: use letters, digits, ".", "_" and "-", at most 64 characters',
})

const match = z.strictObject({
  key: glob.optional().describe('Ids of keys: `k_0123456789`, as `thinwire keys list` prints them.'),
  user: glob.optional().describe('Users of keys; with a slash, `TEAM/USER`.'),
  team: glob.optional().describe('Teams of keys.'),
  env: glob.optional().describe('Environments of keys.'),
  model: glob
    .optional()
    .describe(
      'Models, by the name that the client sends, in any case and behind a prefix (`openai/`). Where the rule counts, a request whose model is not seen is refused.',
    ),
  path: glob.optional().describe('Paths, as the usage ledger has them (`route`): `/v1/chat/completions`.'),
  tag: glob.optional().describe('Tags of the client (`x-thinwire-tags`): `project=a*`. One has to match.'),
})

const per = z.enum(['pool', 'key', 'user', 'team', 'env'])

const period = <T extends z.ZodType>(amount: T, what: string) =>
  z
    .strictObject({
      hour: amount.optional().describe(`${what} in one hour.`),
      day: amount.optional().describe(`${what} in one day.`),
      week: amount.optional().describe(`${what} in one week, from Monday.`),
      month: amount.optional().describe(`${what} in one month of the calendar.`),
    })
    .optional()

/** What a rule for one key may say, besides what every rule may: its key is given. */
const amounts = {
  name: ruleName.describe('Name of the rule, in messages, metrics and the ledger.'),
  requestsPerMinute: count(10_000_000)
    .optional()
    .describe('Requests a minute. They come back evenly: with 60, one each second.'),
  requestBurst: count(10_000_000)
    .optional()
    .describe('How many requests may come at once after a pause. Not given: as many as in a minute.'),
  tokensPerMinute: count()
    .optional()
    .describe('Tokens a minute, of prompts and answers together. Estimated at first, corrected at the end.'),
  tokenBurst: count()
    .optional()
    .describe('How many tokens may be used at once after a pause. Not given: as many as in a minute.'),
  concurrent: count(1_000_000).optional().describe('Requests in flight at one time.'),
  usd: period(usd(), 'US dollars'),
  tokens: period(count(), 'Tokens of prompts and answers'),
  models: z
    .strictObject({
      allow: glob.optional().describe('Models that may be used. Others are refused with 403.'),
      deny: glob
        .optional()
        .describe(
          'Models that may not be used, in any case and behind a prefix (`openai/`): 403. It counts more than `allow`.',
        ),
    })
    .optional(),
  timezone: z
    .string()
    .min(1)
    .default('UTC')
    .describe('Where the days, weeks and months of the rule begin: a name such as `Europe/Berlin`.'),
  message: z
    .string()
    .min(1)
    .max(500)
    .regex(/^[^\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u202a-\u202e\u2066-\u2069]*$/u, {
      error: 'must be one line of text, without characters that turn its direction',
    })
    .optional()
    .describe('What a refused client reads besides: whom to ask.'),
  observe: z.boolean().default(false).describe('Refuse nothing: only count, and log what would be refused.'),
}

/** A rule of one key. */
export const keyRule = z.strictObject({
  ...amounts,
  match: match.pick({ model: true, path: true, tag: true }).prefault({}),
})

/** An entry of `limits.rules`. */
export const limitRule = z.strictObject({
  ...amounts,
  match: match.prefault({}).describe('Which requests it is for. Not given: all.'),
  per: per
    .default('pool')
    .describe(
      '`pool`: all that match share the amounts. `key`, `user`, `team`, `env`: each one has its own.',
    ),
})

/** US dollars for a million tokens. */
const rates = z.strictObject({
  input: z.number().min(0).max(MOST_USD).describe('US dollars for a million tokens of prompts.'),
  output: z.number().min(0).max(MOST_USD).describe('US dollars for a million tokens of answers.'),
})

export const unpriced = z
  .union([z.enum(['assume', 'deny']), rates], {
    error: 'must be "assume", "deny" or {"input": USD, "output": USD}, for a million tokens',
  })
  .default('assume')
  .describe(
    'What a model without a price costs where a rule limits money. `assume`: as much as the dearest model of the price table. A pair of rates: that much. `deny`: it is refused with 403.',
  )

const WEBHOOK_ERROR = 'must be the URL of a webhook, or a reference to it: {"env": "NAME"}'

export const alerts = z
  .strictObject({
    url: z
      .union([z.url({ protocol: /^https?$/, error: WEBHOOK_ERROR }), secretRef], { error: WEBHOOK_ERROR })
      .nullable()
      .default(null)
      .describe(
        'Webhook that gets a POST when a budget comes to one of these shares; by reference if the URL is a secret. `null`: none.',
      ),
    secret: secretRef
      .optional()
      .describe('Signs what is sent to the webhook (HMAC with SHA-256, header `x-thinwire-signature`).'),
    at: z
      .array(z.int().min(1).max(100))
      .max(20)
      .default([80, 100])
      .describe('Shares of a budget, in percent, at which the log has a line, once in each period.'),
    maxQueued: count(100_000)
      .default(1_000)
      .describe('Alerts that wait for the webhook. Further ones are in the log alone.'),
  })
  .prefault({})
