import { z } from 'zod'
import { ERROR_FORMATS } from '../api/error-format.js'
import { type End, PHASES } from '../exchange/outcome.js'

/**
 * The shape of a ledger record. Fields stand in the order in which the ledger writes them. The build makes the JSON
 * Schema for other programs from it (`dist/usage.schema.json`), and reports take names and types of fields from it.
 * Neither the relay nor a report parses records with it: that takes much longer than `JSON.parse`.
 */

/** Each end reason and its meaning. The type makes the compiler report a missing or unknown reason. */
const ENDS: Readonly<Record<End, string>> = {
  done: 'the client got the whole response, whatever its status',
  local: 'the relay answered by itself, for example with the list of its own models',
  refused: 'the relay refused the request before it contacted an upstream',
  upstream_failed: 'no upstream gave a response',
  upstream_cut: 'the upstream broke off within its response',
  upstream_idle: 'the upstream fell silent within its response',
  superseded: 'a newer autocomplete request of the same session replaced this one',
  client_gone: 'the client left before the end',
  client_stalled: 'the client stopped reading',
  revoked: 'the key of the request was revoked, was deleted or expired, and the relay cut it',
  shutdown: 'the request was still open when the relay had to stop',
  crashed: 'a fault in the relay ended the request',
}

const END_NAMES = Object.keys(ENDS) as [End, ...End[]]

const name = () => z.string().nullable()
const count = () => z.int().min(0)
const tokens = () => count().nullable()
const known = () => count().optional()
const milliseconds = () => z.number().min(0).nullable()

/** The schema of a record; every field has a description, which goes into the JSON Schema. */
export const recordSchema = z.strictObject({
  v: z.literal(1).describe('Version of the record format. New fields do not change it.'),
  id: z.string().min(1).describe('Request id, as in the log.'),
  seq: z.int().min(1).describe('Counts the records of one writer, from 1 and without gaps.'),
  writer: z
    .string()
    .min(1)
    .describe(
      'Identifies one start of a relay or of one of its workers, or an import of direct traffic. (writer, seq) is unique: a repeated pair is the same record.',
    ),
  ts: z.iso.datetime({ precision: 3 }).describe('When the request arrived: ISO 8601, UTC, milliseconds.'),
  key: name().describe(
    'Id of the access key; never the key itself. Null if no key was needed or it was refused.',
  ),
  env: name().describe('Environment of the key.'),
  team: name().describe('Team that owns the key.'),
  user: name().describe('Person who owns the key. Two teams may each have a user of the same name.'),
  route: z.string().describe('Requested path, without the query.'),
  dialect: z
    .enum([...ERROR_FORMATS, 'cursor_chat', 'cursor_responses', 'cursor_messages'])
    .describe('API of the request. At /cursor, the API that the body is written for.'),
  request_class: z
    .enum(['chat', 'completion', 'embedding', 'image', 'audio', 'realtime', 'stored', 'models', 'other'])
    .describe(
      'Kind of work, by the path. stored: an object that the provider keeps, such as a batch or a file.',
    ),
  model: name().describe('Model that the client requested.'),
  upstream_model: name().describe('Model that the upstream names in its response.'),
  upstream: name().describe('Upstream that responded or was tried last, by its name in the config.'),
  attempts: count().describe('Number of attempts at upstreams.'),
  failed_attempts: name().describe(
    'Attempts that did not become the response, each with its reason: azure 429, groq ECONNREFUSED.',
  ),
  dropped_fields: name().describe(
    'Fields of the request that the target was not sent, as it does not have them or its model refuses them: temperature, stop.',
  ),
  stream: z.boolean().nullable().describe('Whether the client requested a stream.'),
  status: z.int().min(100).max(999).nullable().describe('HTTP status that the client got; null if none.'),
  end: z.enum(END_NAMES).describe(
    `How the request ended. ${Object.entries(ENDS)
      .map(([end, meaning]) => `${end}: ${meaning}.`)
      .join(' ')}`,
  ),
  phase: z
    .enum(PHASES)
    .describe(
      'Phase in which the request ended. admit: key and limits. read: upload. plan: choice of targets. cache: lookup. attempt: upstream. respond: response.',
    ),
  cache: z
    .enum(['hit', 'prefix', 'miss', 'joined', 'off'])
    .nullable()
    .describe('How the cache of the relay took part; null if the request may not be cached.'),
  prompt_tokens: tokens().describe('Tokens of the prompt, cached tokens included.'),
  cached_tokens: tokens().describe('Prompt tokens that were read from the cache of the upstream.'),
  cache_write_tokens: tokens().describe('Prompt tokens that were written to the cache of the upstream.'),
  completion_tokens: tokens().describe('Tokens of the answer, reasoning included.'),
  reasoning_tokens: tokens().describe('Reasoning tokens of the answer.'),
  usage_source: z
    .enum(['upstream', 'estimated', 'cache', 'none'])
    .describe(
      'Source of the token counts. upstream: reported by the upstream. estimated: by the relay. cache: the response came from the cache or was shared. none: not known.',
    ),
  cost_usd: z
    .number()
    .min(0)
    .nullable()
    .describe('Cost of the response in US dollars, exact to a billionth.'),
  price_source: name().describe(
    'Source of the cost: upstream if the response reported it, else the name of the price file, or built-in and the date of its prices.',
  ),
  saved_tokens: tokens().describe('Tokens that the cache of the relay saved.'),
  saved_usd: z.number().min(0).nullable().describe('Cost of the saved tokens in US dollars.'),
  bytes_in: count()
    .nullable()
    .describe('Bytes of the request body. Of direct traffic, as the front counts them; null if it does not.'),
  bytes_out: count().nullable().describe('Bytes of the response body; of direct traffic, as bytes_in.'),
  events: count().nullable().describe('Events of the stream; 1 for a JSON response.'),
  unparsed_events: count().nullable().describe('Events that were not JSON, or too long to parse.'),
  unread_events: count().nullable().describe('Former name of unparsed_events, with the same value.'),
  tool_calls: count().nullable().describe('Tool calls in the answer.'),
  finish_reason: name().describe('Why the model stopped, as the upstream reports it.'),
  stream_error: name().describe(
    'Code or type of an error that the response reports, also within a stream of status 200.',
  ),
  read_ms: milliseconds().describe('From the request head to the end of the request body, in milliseconds.'),
  ttft_ms: milliseconds().describe('From the request head to the first token, in milliseconds.'),
  upstream_ttfb_ms: milliseconds().describe(
    'From the attempt to the first byte of the upstream response, in milliseconds.',
  ),
  total_ms: milliseconds().describe('From the request head to the end, in milliseconds.'),
  overhead_us: count()
    .nullable()
    .describe(
      'Time that the relay itself took until the response began, in microseconds: the sum of the six fields that follow, as far as they are known.',
    ),
  admit_us: count().nullable().describe('Of these microseconds, those of the phase admit: head and key.'),
  read_us: count()
    .nullable()
    .describe(
      'Of these microseconds, those of the phase read: from the last byte of the body until it was read. Null without a body, and for one that is chunked.',
    ),
  plan_us: count()
    .nullable()
    .describe(
      'Of these microseconds, those of the phase plan: choice of targets, and limits. 0 while the body still arrived.',
    ),
  cache_us: count()
    .nullable()
    .describe('Of these microseconds, those of the phase cache: lookup. Null if the cache was not asked.'),
  attempt_us: count()
    .nullable()
    .describe(
      'Of these microseconds, those of the phase attempt: making the request for the first target, and writing it.',
    ),
  respond_us: count()
    .nullable()
    .describe(
      "Of these microseconds, those of the phase respond: from the head of the upstream's response until the client's socket had its own.",
    ),
  gap_max_ms: milliseconds().describe('Longest pause between two chunks of the response, in milliseconds.'),
  client_address: name().describe(
    'Address of the client; behind a trusted proxy, the one that the proxy names.',
  ),
  user_agent: name().describe('User-Agent header of the client.'),
  trace_id: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .nullable()
    .describe("Trace id of the client's traceparent header (W3C Trace Context)."),
  upstream_request_id: name().describe('Request id of the upstream, by which its support finds the request.'),
  error_code: name().describe('Error code of the relay, as in the header x-thinwire-error.'),
  // Only where they are known.
  tags: z.string().optional().describe('Tags of the client, from x-thinwire-tags: project=a,ticket=b.'),
  connection_id: z
    .string()
    .optional()
    .describe(
      'Id of the record of the WebSocket that the response came by; in that record it is its own id.',
    ),
  session_id: z.string().optional().describe('Session of Claude Code, from x-claude-code-session-id.'),
  agent_id: z.string().optional().describe('Subagent of Claude Code, from x-claude-code-agent-id.'),
  maker_key: z
    .string()
    .optional()
    .describe('Key that made the stored object whose tokens these are, if it is another key of the team.'),
  upstream_key: z
    .string()
    .optional()
    .describe('Name of the key that the upstream was asked with, where it has several (`keys`).'),
  overtaken: z.string().optional().describe('Targets that another attempt has overtaken (hedging).'),
  overtaken_prompt_tokens: known().describe(
    'Prompt tokens, by estimate, that these targets may bill too. They are in no other field.',
  ),
  assumed_usd: z
    .number()
    .min(0)
    .optional()
    .describe(
      'What the response is assumed to cost in US dollars, exact to a billionth, where a rule limits money and the price is not known: see `limits.unpriced`. It is never part of cost_usd.',
    ),
  limit_rule: z.string().optional().describe('Name of the limit rule that refused the request.'),
  observed_rules: z
    .string()
    .optional()
    .describe(
      'Names of the limit rules that only observe, and would have refused the request: interns, everyone.',
    ),
  limit_reached: z
    .string()
    .optional()
    .describe('Budgets that this request brought to a share of their amount: team1-month month usd 80%.'),
  requests: known().describe(
    'How many refused requests of one address this record stands for, where each would have had a record of its own: see `limits.refusalsPerAddressPerMinute`.',
  ),
  cache_write_1h_tokens: known().describe('Part of cache_write_tokens that is kept for an hour.'),
  audio_prompt_tokens: known().describe('Part of prompt_tokens that is audio.'),
  audio_completion_tokens: known().describe('Part of completion_tokens that is audio.'),
  image_prompt_tokens: known().describe('Part of prompt_tokens that is images.'),
  image_completion_tokens: known().describe('Part of completion_tokens that is images.'),
  searches: known().describe('Web searches, which are billed by their number.'),
  service_tier: z.string().optional().describe('Tier that served the request: priority, flex, batch.'),
  passes: z
    .string()
    .optional()
    .describe(
      'Passes that the token counts sum up, each as prompt+completion, after its model if it has one of its own: 1200+300, claude-haiku-5-5 40+12.',
    ),
  recovered_from: z
    .string()
    .optional()
    .describe(
      'Start of a relay that was killed while the request was under way: its writer. The next start wrote the record, with what was known last.',
    ),
  import_id: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .optional()
    .describe(
      "Only in records of direct traffic, which went from a front to the provider past the relay: identifies the line of the front's access log, so that it is imported once.",
    ),
  chain: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .optional()
    .describe(
      'First record of a batch: the hash of the chain value and of all lines of the batch before it, of the same writer. A changed, removed, moved or inserted line breaks it.',
    ),
})

/** A record as this version writes it. Earlier versions may have written fewer fields. */
export type UsageRecord = Readonly<z.output<typeof recordSchema>>

/** Builds the JSON Schema (draft 2020-12) of a record. */
export function buildRecordJsonSchema(): Record<string, unknown> {
  return {
    title: 'Thinwire usage record',
    description:
      'One line of the usage ledger as this version writes it; earlier versions wrote fewer fields. Null means unknown.',
    ...z.toJSONSchema(recordSchema),
  }
}
