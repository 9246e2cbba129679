import { z } from 'zod'
import type { PresetName } from '../api/presets.js'
import type { SchemaNode } from './json-schema.js'
import { addDeprecatedNames } from './renamed.js'
import { cache } from './schema-cache.js'
import { ledger } from './schema-ledger.js'
import { limits, timeouts } from './schema-limits.js'
import { alias, type destination, route } from './schema-routes.js'
import { type headerValue, upstream } from './schema-upstream.js'
import { duration, type secretRef } from './schema-values.js'

/**
 * The shape of the config file. Every default lives here and in the sections beside it, and nowhere else; the JSON Schema that
 * editors read (`dist/config.schema.json`) is made from it at build time. All durations are milliseconds, all sizes bytes.
 */
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
export function resolvePresetEntry(preset: PresetName): UpstreamEntry {
  return upstream.parse({ preset })
}

/** The JSON Schema (draft 2020-12) of the config file. Old names of settings are in it, marked as deprecated. */
export function buildConfigJsonSchema(): SchemaNode {
  const schema = z.toJSONSchema(configSchema, { io: 'input' }) as SchemaNode
  addDeprecatedNames(schema)
  return { title: 'Thinwire config', ...schema }
}
