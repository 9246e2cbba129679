import { z } from 'zod'
import { AUTH_SCHEMES, DIALECTS, PRESET_NAMES, type PresetName } from './presets.js'

/**
 * The shape of the config file. Every default lives here and nowhere else; the JSON Schema that editors read
 * (`dist/config.schema.json`) is made from it at build time. All durations are milliseconds, all sizes bytes.
 */

const MIB = 1024 * 1024

/** Unreserved characters (RFC 3986, 2.3), which need no encoding. */
const PARAMETER_NAME = /^[\w.~-]+$/

const duration = (min = 1) =>
  z
    .int()
    .min(min)
    .max(24 * 60 * 60 * 1000)
const size = (min: number, max: number) => z.int().min(min).max(max)

/** A secret is a reference to where it is kept, so that a config file can be shared and committed. */
export const secretRef = z.union(
  [
    z.strictObject({ env: z.string().min(1).describe('Name of the environment variable that holds it.') }),
    z.strictObject({ file: z.string().min(1).describe('Path of the file that holds it, and nothing else.') }),
  ],
  { error: 'a secret is given by reference, never in the file itself: {"env": "NAME"} or {"file": "PATH"}' },
)

const timeouts = z.strictObject({
  connectMs: duration().default(5_000).describe('Until a connection to the upstream stands, TLS included.'),
  firstByteMs: duration()
    .default(600_000)
    .describe("From the request's last byte to the upstream's first. Reasoning models think for minutes."),
  idleMs: duration().default(300_000).describe('Silence between two pieces of a running response.'),
  clientStallMs: duration()
    .default(120_000)
    .describe('A client that has stopped reading is cut off after this, with what it holds upstream.'),
  requestMs: duration().default(300_000).describe('For a client to send its whole request.'),
  headersMs: duration().default(60_000).describe('For a client to send the head of its request.'),
  keepAliveMs: duration()
    .default(75_000)
    .describe(
      'An idle client connection is kept this long; above the idle limit of a front proxy (nginx: 60 s).',
    ),
  upstreamKeepAliveMs: duration()
    .default(55_000)
    .describe('An idle upstream connection is kept this long; below what load balancers allow (often 60 s).'),
  drainMs: duration(0).default(30_000).describe('Open streams may finish for this long after SIGTERM.'),
})

const limits = z.strictObject({
  bodyBytes: size(1024, 2048 * MIB)
    .default(32 * MIB)
    .describe('Largest request body; 413 beyond.'),
  headerBytes: size(8 * 1024, MIB)
    .default(64 * 1024)
    .describe('Largest request head; 431 beyond.'),
  bufferedBytes: size(1024, 64 * 1024 * MIB)
    .default(1024 * MIB)
    .describe('Request bodies held at one time, all clients together; 503 beyond.'),
  answerBytes: size(1024, 2048 * MIB)
    .default(32 * MIB)
    .describe(
      'Held of an answer that is changed for Cursor: all of it, or one event of a stream. Beyond, it ends with an error.',
    ),
  connections: size(1, 1_000_000)
    .default(20_000)
    .describe('Open client connections; more are closed at once.'),
  exchanges: size(1, 1_000_000)
    .default(10_000)
    .describe('Requests in flight, all keys together; 503 beyond.'),
  exchangesPerKey: size(1, 1_000_000).default(1_000).describe('Requests in flight with one key; 429 beyond.'),
  clientBufferBytes: size(1024, 64 * MIB)
    .default(256 * 1024)
    .describe('Bytes held for a slow client before the upstream is asked to wait.'),
})

const headerName = z.string().regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, { error: 'is not a header name' })
const prefix = z
  .string()
  .optional()
  .describe('What stands in front of the secret in the header, such as "Bearer ".')
const headerValue = z.union(
  [
    z.string(),
    z.strictObject({ env: z.string().min(1), prefix }),
    z.strictObject({ file: z.string().min(1), prefix }),
  ],
  { error: 'must be a text, or a secret by reference: {"env": "NAME"} or {"file": "PATH"}' },
)

const upstream = z.strictObject({
  preset: z
    .enum(PRESET_NAMES)
    .optional()
    .describe(
      'A known API: gives the base URL, how to authenticate, and what it speaks. All of it can be overridden.',
    ),
  baseUrl: z
    .string()
    .optional()
    .describe(
      'Where requests go, with the version in it: https://api.openai.com/v1. A request to /v1/x goes to {baseUrl}/x.',
    ),
  apiKey: secretRef
    .optional()
    .describe(
      "The credential for this upstream. None: the preset's environment variable, such as OPENAI_API_KEY; without a preset nothing is sent.",
    ),
  auth: z
    .enum(AUTH_SCHEMES)
    .optional()
    .describe(
      'How the credential is sent: Authorization: Bearer, x-api-key, api-key (Azure), query (a URL parameter), none. anthropic: x-api-key, but Bearer on its OpenAI-compatible /chat/completions. None given: as the preset has it, else bearer.',
    ),
  keyParameter: z
    .string()
    .regex(PARAMETER_NAME, { error: 'is not a name for a URL parameter' })
    .default('key')
    .describe('The URL parameter that carries the credential, with auth "query".'),
  headers: z
    .record(headerName, headerValue)
    .default({})
    .describe('Sent with every request, in place of what the client sent under the same name.'),
  query: z
    .record(
      z.string().regex(PARAMETER_NAME, { error: 'is not a name for a URL parameter' }),
      z.string({ error: 'must be a text' }),
    )
    .default({})
    .describe('URL parameters of every request, in place of what the client sent under the same name.'),
  dialects: z
    .array(z.enum(DIALECTS))
    .min(1)
    .optional()
    .describe(
      'What it speaks of chat, completions, responses, messages and embeddings; it is not asked for the others. None given: as the preset has it, else all.',
    ),
  limits: z
    .strictObject({
      exchanges: size(1, 1_000_000)
        .optional()
        .describe('Requests in flight to it; beyond, it counts as busy.'),
    })
    .prefault({}),
  timeouts: z
    .strictObject({
      connectMs: duration().optional(),
      firstByteMs: duration().optional(),
      idleMs: duration().optional(),
    })
    .prefault({})
    .describe('In place of the general ones.'),
  tls: z
    .strictObject({
      caFile: z
        .string()
        .min(1)
        .optional()
        .describe(
          'PEM file of the authorities that its certificate may come from, in place of the well-known ones.',
        ),
      servername: z
        .string()
        .min(1)
        .optional()
        .describe('The name that its certificate has, where that is another than the one in the base URL.'),
    })
    .prefault({}),
  proxy: z
    .union([z.literal(false), z.string().min(1), secretRef], {
      error: 'must be false, a URL, or a URL by reference: {"env": "NAME"} or {"file": "PATH"}',
    })
    .optional()
    .describe(
      'An HTTP proxy on the way to it; with a password in it, by reference. None given: HTTPS_PROXY, HTTP_PROXY and NO_PROXY of the environment. false: none.',
    ),
  askUsage: z
    .boolean()
    .default(false)
    .describe(
      'Ask for the usage of streamed chat completions where the client does not (stream_options.include_usage), and take it out of its answer again.',
    ),
  warm: z
    .boolean()
    .default(true)
    .describe('Connect at start, so that the first request does not wait for DNS, TCP and TLS.'),
})

const glob = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)], {
  error: 'must be a pattern such as "claude-*", or a list of them',
})

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
    .describe('Its share of the requests, with choose "weight". 0: it is asked when no other can be.'),
})

/** Where requests go: to one upstream, or to one of several. */
const destination = {
  upstream: z.string().optional().describe('Name of an entry of upstreams. Or else targets.'),
  targets: z
    .array(target)
    .min(1)
    .optional()
    .describe('Several of them, in their order: the next is asked where one does not answer.'),
  choose: z
    .enum(['order', 'weight', 'latency'])
    .default('order')
    .describe('Which target is asked first: the first in the list, one by weight, or the fastest of late.'),
  failover: z
    .boolean()
    .optional()
    .describe('Ask the next target where one fails. None given: where that is safe.'),
  stallMs: duration()
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

const route = z.strictObject({
  path: glob.optional().describe('Path after /v1, * for anything: "/messages*". None: any path.'),
  model: glob.optional().describe('Model name, * for anything: "claude-*". None: any model.'),
  team,
  ...destination,
})

const alias = z.strictObject({
  model: z.string().min(1).optional().describe('The name that the upstream knows the model by.'),
  team,
  ...destination,
})

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

const cache = z.strictObject({
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

const ledger = z.strictObject({
  folder: z
    .string()
    .min(1)
    .default('data')
    .describe('Where usage-YYYY-MM-DD.jsonl goes; relative to the folder of the config file.'),
  flushMs: duration()
    .default(100)
    .describe('Records are gathered for so long; as many are lost if the process is killed.'),
  flushBytes: size(1, 64 * MIB)
    .default(256 * 1024)
    .describe('Or until there is so much of them.'),
  bufferedBytes: size(64 * 1024, 4096 * MIB)
    .default(64 * MIB)
    .describe('Records that wait for a disk that takes none; beyond it new ones are dropped, and counted.'),
  rotateBytes: size(64 * 1024, 1024 * 1024 * MIB)
    .default(256 * MIB)
    .describe('A file that would become larger is followed by usage-YYYY-MM-DD.2.jsonl, and so on.'),
  fsync: z
    .enum(['never', 'interval', 'every'])
    .default('interval')
    .describe(
      'What a power failure may take: never: what the kernel had not written, some 30 s. interval: the last fsyncMs. every: nothing that was written.',
    ),
  fsyncMs: duration().default(1_000),
  prices: z
    .union([z.boolean(), z.string().min(1)], {
      error: 'must be true for the built-in prices, false for none, or the name of a price file',
    })
    .default(true)
    .describe(
      "What tokens cost. true: the built-in table of common models. A file in the format of LiteLLM's model_prices_and_context_window.json, relative to the folder of the config file: its prices go before the built-in ones, model by model. false: no record has a cost.",
    ),
})

export const configSchema = z.strictObject({
  $schema: z.string().optional().describe('Path of this schema, for editors.'),
  listen: z
    .string()
    .default('127.0.0.1:4000')
    .describe('HOST:PORT to listen on. [::]:4000 for every address.'),
  keys: z
    .strictObject({
      mode: z
        .enum(['keys', 'passthrough', 'off'])
        .default('keys')
        .describe(
          "keys: clients need an lc_ key. passthrough: the client's own provider key goes through. off: no key asked, on loopback alone.",
        ),
      file: z
        .string()
        .min(1)
        .default('data/keys.jsonl')
        .describe('The key file; relative to the folder of the config file.'),
    })
    .prefault({}),
  upstreams: z
    .record(
      z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, {
        error: 'is not a name for an upstream: a-z, 0-9, - and _, at most 64',
      }),
      upstream,
    )
    .optional()
    .describe(
      'The APIs that answer. None: made from OPENAI_API_KEY and ANTHROPIC_API_KEY, else the demo upstream.',
    ),
  routes: z
    .array(route)
    .optional()
    .describe('Which request goes where: the first that matches. None: everything to the first upstream.'),
  models: z.record(z.string().min(1), alias).default({}).describe('Names of your own for models.'),
  listModels: z
    .enum(['aliases', 'all'])
    .default('aliases')
    .describe(
      'What GET /v1/models lists. aliases: the names of your own alone, if there are any for the team of the key. all: the models of the upstreams, too.',
    ),
  cursor: z
    .strictObject({
      answerKeyCheck: z
        .boolean()
        .default(false)
        .describe(
          'Answer the prompt by which Cursor tests a key at /cursor/v1 without an upstream: some models refuse its max_tokens.',
        ),
    })
    .prefault({}),
  limits: limits.prefault({}),
  timeouts: timeouts.prefault({}),
  cache: cache.prefault({}),
  ledger: ledger.prefault({}),
  log: z
    .strictObject({
      level: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
      format: z
        .enum(['auto', 'json', 'pretty'])
        .default('auto')
        .describe('auto: readable lines in a terminal, JSON lines elsewhere.'),
      slowMs: duration()
        .default(100)
        .describe('Warn when the relay itself, and not an upstream or a client, takes longer.'),
    })
    .prefault({}),
  metrics: z
    .strictObject({
      listen: z
        .string()
        .nullable()
        .default(null)
        .describe('HOST:PORT at which GET /metrics is answered, without a key; null: nowhere.'),
    })
    .prefault({}),
})

export type ConfigFile = z.output<typeof configSchema>
export type SecretRef = z.output<typeof secretRef>
export type HeaderValue = z.output<typeof headerValue>
export type UpstreamEntry = z.output<typeof upstream>
export type Destination = Pick<z.output<typeof route>, keyof typeof destination>
export type Limits = Readonly<ConfigFile['limits']>
export type Timeouts = Readonly<ConfigFile['timeouts']>

/** An upstream of the config file with nothing but its preset. */
export function presetEntry(preset: PresetName): UpstreamEntry {
  return upstream.parse({ preset })
}

/** The JSON Schema (draft 2020-12) of the config file. */
export function configJsonSchema(): Record<string, unknown> {
  return {
    title: 'Thinwire config',
    ...z.toJSONSchema(configSchema, { io: 'input' }),
  }
}
