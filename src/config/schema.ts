import { z } from 'zod'
import type { PresetName } from '../api/presets.js'
import type { SchemaNode } from './json-schema.js'
import { isAddressOrNetwork } from './networks.js'
import { isPublicUrl } from './public-url.js'
import { addDeprecatedNames } from './renamed.js'
import { admin } from './schema-admin.js'
import { cache } from './schema-cache.js'
import { direct } from './schema-direct.js'
import { ledger } from './schema-ledger.js'
import { limits, timeouts } from './schema-limits.js'
import { listen } from './schema-listen.js'
import { modelTraits } from './schema-models.js'
import { alias, type destination, route } from './schema-routes.js'
import { stored } from './schema-stored.js'
import { type headerValue, upstream } from './schema-upstream.js'
import { duration, MIB, type secretRef, size } from './schema-values.js'
import { workers } from './schema-workers.js'

/**
 * The config file: every setting with its type, default and description. The JSON Schema that editors read
 * (`dist/config.schema.json`) and the reference in this folder's README are made from it. Durations are in
 * milliseconds, sizes in bytes.
 */
export const configSchema = z.strictObject({
  $schema: z.string().optional().describe('Path of the JSON Schema, for editors.'),
  listen,
  keys: z
    .strictObject({
      mode: z
        .enum(['keys', 'passthrough', 'off'])
        .default('keys')
        .describe(
          "`keys`: clients need an `lc_` key. `passthrough`: the client's own provider key is forwarded, in the way that `auth` of the upstream says. `off`: no key is needed; on loopback only.",
        ),
      file: z
        .string()
        .min(1)
        .default('data/keys.jsonl')
        .describe('The key file, relative to the folder of the config file.'),
      cutStreams: z
        .boolean()
        .default(false)
        .describe(
          'Cut responses that are open when their key is revoked, is deleted or expires. `false`: they run to their end, as their key was valid when they began. WebSockets are closed, and requests that have not gone to an upstream are refused, in any case.',
        ),
    })
    .prefault({}),
  publicUrl: z
    .string()
    .refine(isPublicUrl, { error: 'must be a URL such as https://llm.example.com, without a query' })
    .optional()
    .describe(
      'The address by which clients reach the relay, for URLs of an upstream in its responses (`results_url`, redirects): they lead to the relay. Not given: the `Host` of the request, with `https` behind TLS or by `X-Forwarded-Proto`.',
    ),
  trustedProxies: z
    .array(
      z.string().refine(isAddressOrNetwork, {
        error: 'must be an address such as 10.0.0.7, or a network such as 10.0.0.0/8',
      }),
    )
    .default([])
    .describe(
      'Proxies in front of the relay: addresses, and networks such as `10.0.0.0/8`. From them, the address of the client is read from `X-Forwarded-For`, for the usage ledger and for keys that are limited to addresses.',
    ),
  workers,
  upstreams: z
    .record(
      z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, {
        error: 'is not a name for an upstream: use a-z, 0-9, - and _, at most 64 characters',
      }),
      upstream,
    )
    .optional()
    .describe(
      'The APIs that requests go to, by a name of your own. Not given: `openai` and `anthropic`, if `OPENAI_API_KEY` and `ANTHROPIC_API_KEY` are set, or else the demo upstream.',
    ),
  routes: z
    .array(route)
    .optional()
    .describe(
      'Where each request goes: the first route that matches it. Not given: Claude models go to Anthropic if it is an upstream, everything else to the first upstream.',
    ),
  models: z.record(z.string().min(1), alias).default({}).describe('Model names of your own.'),
  modelTraits: z
    .array(modelTraits)
    .default([])
    .describe(
      'What models want of a request, where the built-in table does not know it. The first entry that matches is taken; `thinwire models explain NAME` shows what comes of it.',
    ),
  listModels: z
    .enum(['aliases', 'all'])
    .default('aliases')
    .describe(
      'What `GET /v1/models` lists. `aliases`: only the names in `models`, if there are any for the team of the key. `all`: the models of the upstreams, too.',
    ),
  websockets: z
    .boolean()
    .default(true)
    .describe(
      'Accept WebSockets (Responses, Realtime). `false`: they are answered with 426, and Codex uses HTTP. An upstream may say otherwise.',
    ),
  cursor: z
    .strictObject({
      answerKeyCheck: z
        .boolean()
        .default(false)
        .describe(
          'Answer the request by which Cursor tests a key at `/cursor/v1` without an upstream. Some models refuse its `max_tokens`.',
        ),
      thinkingBytes: size(64 * 1024, 4096 * MIB)
        .default(64 * MIB)
        .describe(
          'Memory for the thinking of tool turns, which models want back in the next turn and Cursor does not send. It is never written to a disk.',
        ),
      thinkingMs: duration()
        .default(30 * 60_000)
        .describe('How long the thinking of a turn is kept after it was last used.'),
      thinking: z
        .enum(['reasoning_content', 'think_tags', 'none'])
        .default('reasoning_content')
        .describe(
          'How Cursor is shown what a model thinks. `reasoning_content`: in that field, as DeepSeek does. `think_tags`: as text between `<think>` and `</think>`, before the answer; it is removed from the history that Cursor sends back. `none`: not at all. For the last two, chat completions are written again, too.',
        ),
    })
    .prefault({}),
  limits: limits.prefault({}),
  timeouts: timeouts.prefault({}),
  cache: cache.prefault({}),
  direct: direct.prefault({}),
  ledger: ledger.prefault({}),
  stored: stored.prefault({}),
  log: z
    .strictObject({
      level: z
        .enum(['debug', 'info', 'warn', 'error', 'silent'])
        .default('info')
        .describe('Lowest level that is logged.'),
      format: z
        .enum(['auto', 'json', 'pretty'])
        .default('auto')
        .describe(
          '`json`: one JSON object a line. `pretty`: readable lines. `auto`: `pretty` in a terminal, else `json`.',
        ),
      slowMs: duration()
        .default(100)
        .describe(
          'Log a warning when a request spends more than this in the relay itself, without the time of upstream and client.',
        ),
    })
    .prefault({}),
  metrics: z
    .strictObject({
      listen: z
        .string()
        .nullable()
        .default(null)
        .describe(
          'HOST:PORT that serves `GET /metrics` to Prometheus, without a key: `127.0.0.1:9464`. On loopback, `thinwire profile` asks there, too. `null`: neither.',
        ),
      hosts: z
        .array(z.string().min(1))
        .default([])
        .describe(
          'Names by which a scraper may call that address, such as `thinwire.example.com`. IP addresses, `localhost` and names without a dot are accepted in any case. A web page could have a name of its own point there.',
        ),
    })
    .prefault({}),
  admin: admin.prefault({}),
})

/** The config file with all defaults filled in. Nothing is resolved: secrets are still references. */
export type ConfigFile = z.output<typeof configSchema>
/** Where a secret is: `{env}` or `{file}`. */
export type SecretRef = z.output<typeof secretRef>
/** A header of the config: its text, or a secret by reference. */
export type HeaderValue = z.output<typeof headerValue>
/** An entry of `upstreams`. */
export type UpstreamEntry = z.output<typeof upstream>
/** The settings that routes and models have in common. */
export type Destination = Pick<z.output<typeof route>, keyof typeof destination>
/** The section `limits`. */
export type Limits = Readonly<ConfigFile['limits']>
/** The section `timeouts`. Milliseconds. */
export type Timeouts = Readonly<ConfigFile['timeouts']>

/** An entry of `upstreams` with a preset and every default. */
export function createPresetEntry(preset: PresetName): UpstreamEntry {
  return upstream.parse({ preset })
}

/** The JSON Schema (draft 2020-12) of the config file. Old names of settings are in it, marked as deprecated. */
export function buildConfigJsonSchema(): SchemaNode {
  const schema = z.toJSONSchema(configSchema, { io: 'input' }) as SchemaNode
  addDeprecatedNames(schema)
  return { title: 'Thinwire config', ...schema }
}
