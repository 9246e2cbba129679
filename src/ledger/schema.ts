import { z } from 'zod'
import type { End } from '../exchange/outcome.js'

/**
 * The shape of a record, field by field in the order in which the ledger writes them. The JSON Schema that other programs
 * read (`dist/usage.schema.json`) is made from it at build time, and the names and types that reports read records by are
 * taken from it; nothing is parsed with it while a relay runs or a report is made, as it takes longer than `JSON.parse`.
 */

/** How a request can end, and what that means. The compiler holds the list against the exchange's own. */
const ENDS: Readonly<Record<End, string>> = {
  done: 'the whole answer, whatever its status, was handed to the client',
  local: 'answered by the relay itself, such as the list of its own models',
  refused: 'refused by the relay before an upstream was asked',
  upstream_failed: 'no answer could be had from the upstream',
  upstream_cut: 'the upstream broke off within its answer',
  upstream_idle: 'the upstream fell silent within its answer',
  superseded: 'a newer autocomplete request of the same session came',
  client_gone: 'the client left before the end',
  client_stalled: 'the client stopped reading',
  shutdown: 'still open when the time of a drain was up',
  crashed: 'a fault of the relay',
}

const END_NAMES = Object.keys(ENDS) as [End, ...End[]]

const name = () => z.string().nullable()
const count = () => z.int().min(0)
const tokens = () => count().nullable()
const milliseconds = () => z.number().min(0).nullable()

export const recordSchema = z.strictObject({
  v: z.literal(1).describe('Version of what the fields mean. New fields do not change it.'),
  id: z.string().min(1).describe("The request's id, as in the log."),
  seq: z.int().min(1).describe('Counts the records of one writer, from 1 and without gaps.'),
  writer: z
    .string()
    .min(1)
    .describe('One start of a relay. With seq it tells a record that was written twice.'),
  ts: z.iso.datetime({ precision: 3 }).describe('When the request came: ISO 8601, UTC, milliseconds.'),
  key: name().describe(
    'Id of the access key; never the key. Null where none was asked for or it was refused.',
  ),
  env: name().describe('Environment that the key is for.'),
  team: name().describe('Team that the key belongs to.'),
  user: name().describe('Person that the key belongs to; two teams may each have one of this name.'),
  route: z.string().describe('Path that was asked for, without its query.'),
  dialect: z
    .enum(['openai', 'anthropic', 'cursor_chat', 'cursor_responses', 'cursor_messages'])
    .describe('API that was spoken; of a chat at /cursor, the one that the body was written for.'),
  model: name().describe('Model as it was asked for.'),
  upstream_model: name().describe('Model that the upstream says has answered.'),
  upstream: name().describe('Upstream that was asked, by its name in the config.'),
  attempts: count().describe('How many times an upstream was asked.'),
  failed_attempts: name().describe(
    'Of these, the ones that gave no answer, or one that another upstream was to better, each with its reason: azure 429, groq ECONNREFUSED.',
  ),
  stream: z.boolean().nullable().describe('Whether a stream was asked for.'),
  status: z
    .int()
    .min(100)
    .max(999)
    .nullable()
    .describe('HTTP status that the client got; null if it got none.'),
  end: z.enum(END_NAMES).describe(
    `How it ended. ${Object.entries(ENDS)
      .map(([end, meaning]) => `${end}: ${meaning}.`)
      .join(' ')}`,
  ),
  cache: z
    .enum(['hit', 'prefix', 'miss', 'joined', 'off'])
    .nullable()
    .describe("What the relay's own cache had of the answer."),
  prompt_tokens: tokens().describe('Tokens of the prompt, cached ones included.'),
  cached_tokens: tokens().describe("Of the prompt, tokens read from the upstream's cache."),
  cache_write_tokens: tokens().describe("Of the prompt, tokens written to the upstream's cache."),
  completion_tokens: tokens().describe('Tokens of the answer, reasoning included.'),
  reasoning_tokens: tokens().describe('Of the answer, tokens of reasoning.'),
  usage_source: z
    .enum(['upstream', 'estimated', 'cache', 'none'])
    .describe(
      'Who counted the tokens. upstream: its own count. estimated: the relay. cache: no upstream was asked. none: nobody.',
    ),
  cost_usd: z.number().min(0).nullable().describe('What the tokens cost, in US dollars.'),
  price_source: name().describe('File that the prices are from, or built-in and the day of its figures.'),
  saved_tokens: tokens().describe('Tokens that no upstream was asked for, as the cache had the answer.'),
  saved_usd: z.number().min(0).nullable().describe('What these would have cost, in US dollars.'),
  bytes_in: count().describe("Bytes of the request's body."),
  bytes_out: count().describe("Bytes of the answer's body."),
  events: count().nullable().describe('Events of a stream; 1 for a JSON answer.'),
  unread_events: count().nullable().describe('Of these, events that were no JSON, or too long to be read.'),
  tool_calls: count().nullable().describe('Calls of tools in the answer.'),
  finish_reason: name().describe('Why the model stopped, in its own word.'),
  stream_error: name().describe(
    'Code or type of the error that an answer tells, within a stream of status 200 too.',
  ),
  read_ms: milliseconds().describe("Until the request's body was whole, in milliseconds."),
  ttft_ms: milliseconds().describe("From the request's head to the first token, in milliseconds."),
  upstream_ttfb_ms: milliseconds().describe(
    "From the attempt to the first byte of the upstream's answer, in milliseconds.",
  ),
  total_ms: milliseconds().describe("From the request's head to the end, in milliseconds."),
  overhead_us: count()
    .nullable()
    .describe('What the relay itself took until the answer began, in microseconds.'),
  gap_max_ms: milliseconds().describe('Longest silence between two pieces of the answer, in milliseconds.'),
  user_agent: name().describe('What the client calls itself.'),
  trace_id: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .nullable()
    .describe("Trace of the client's traceparent (W3C Trace Context)."),
  error_code: name().describe("The relay's own error, as in x-thinwire-error."),
})

/** A record as this version writes it. Earlier ones may have had fewer fields. */
export type UsageRecord = Readonly<z.output<typeof recordSchema>>

/** The JSON Schema (draft 2020-12) of a record. */
export function buildRecordJsonSchema(): Record<string, unknown> {
  return {
    title: 'Thinwire usage record',
    description:
      'A line of the usage ledger as this version writes it: earlier versions wrote fewer fields. Null is what is not known.',
    ...z.toJSONSchema(recordSchema),
  }
}
