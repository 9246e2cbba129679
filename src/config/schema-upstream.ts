import { z } from 'zod'
import { APIS, AUTH_SCHEMES, PRESET_NAMES } from '../api/presets.js'
import { aws, entra, google } from './schema-clouds.js'
import { count, duration, secretRef } from './schema-values.js'
import { upstreamKeys } from './upstream-keys.js'

/** Unreserved characters (RFC 3986 2.3), which need no encoding. */
const PARAMETER_NAME = /^[\w.~-]+$/

const headerName = z.string().regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, { error: 'is not a header name' })
const prefix = z.string().optional().describe('Text before the secret in the header, such as "Bearer ".')
/** A header of the config: its text, or a secret by reference. */
export const headerValue = z.union(
  [
    z.string(),
    z.strictObject({ env: z.string().min(1), prefix }),
    z.strictObject({ file: z.string().min(1), prefix }),
  ],
  { error: 'must be a text, or a secret by reference: {"env": "NAME"} or {"file": "PATH"}' },
)

/** An entry of `upstreams`. */
export const upstream = z.strictObject({
  preset: z
    .enum(PRESET_NAMES)
    .optional()
    .describe(
      'A known API, one of the presets below. It sets the base URL, the credential, headers and APIs; every setting here overrides it.',
    ),
  baseUrl: z
    .string()
    .optional()
    .describe(
      'URL of the API, version included: `https://api.openai.com/v1`. A request to `/v1/x` goes to `{baseUrl}/x`. Not given: from the preset.',
    ),
  apiKey: secretRef
    .optional()
    .describe(
      "Credential of this upstream, by reference. Not given: from the preset's environment variable, such as `OPENAI_API_KEY`; without a preset no credential is sent.",
    ),
  keys: upstreamKeys,
  auth: z
    .enum(AUTH_SCHEMES)
    .optional()
    .describe(
      'How the credential is sent. `bearer`: `Authorization: Bearer`. `x-api-key`, `api-key` (Azure) and `x-goog-api-key` (Gemini): headers of that name. `anthropic`: `x-api-key`, but `Bearer` on its OpenAI-compatible `/chat/completions`. `query`: as a URL parameter. `none`: not at all. Not given: from the preset, or else `bearer`.',
    ),
  aws: aws.optional(),
  google: google.optional(),
  entra: entra.optional(),
  keyParameter: z
    .string()
    .regex(PARAMETER_NAME, { error: 'is not a name for a URL parameter' })
    .default('key')
    .describe('Name of the URL parameter that carries the credential, with `auth` `query`.'),
  headers: z
    .record(headerName, headerValue)
    .default({})
    .describe(
      'Headers of every request. They replace headers of the client with the same name. A secret is given by reference: `{"env": "NAME", "prefix": "Bearer "}`.',
    ),
  query: z
    .record(
      z.string().regex(PARAMETER_NAME, { error: 'is not a name for a URL parameter' }),
      z.string({ error: 'must be a text' }),
    )
    .default({})
    .describe(
      'URL parameters of every request. They replace parameters of the client with the same name: `{"api-version": "..."}`.',
    ),
  apis: z
    .array(z.enum(APIS))
    .min(1)
    .optional()
    .describe(
      'APIs that this upstream has; requests of the others never go to it. Not given: from the preset, or else all.',
    ),
  limits: z
    .strictObject({
      maxConcurrentRequests: count(1_000_000)
        .optional()
        .describe(
          'Requests in flight to this upstream. Beyond it the next target is tried, and 503 if all are busy.',
        ),
    })
    .prefault({}),
  timeouts: z
    .strictObject({
      connectMs: duration().optional().describe('Overrides `timeouts.connectMs` for this upstream.'),
      firstByteMs: duration().optional().describe('Overrides `timeouts.firstByteMs` for this upstream.'),
      idleMs: duration().optional().describe('Overrides `timeouts.idleMs` for this upstream.'),
    })
    .prefault({})
    .describe('Timeouts of this upstream.'),
  tls: z
    .strictObject({
      caFile: z
        .string()
        .min(1)
        .optional()
        .describe(
          'PEM file with the certificate authorities to trust. Not given: the well-known ones. The certificate is always checked.',
        ),
      servername: z
        .string()
        .min(1)
        .optional()
        .describe('Name in the certificate of the upstream. Not given: the host of the base URL.'),
    })
    .prefault({}),
  proxy: z
    .union([z.literal(false), z.string().min(1), secretRef], {
      error: 'must be false, a URL, or a URL by reference: {"env": "NAME"} or {"file": "PATH"}',
    })
    .optional()
    .describe(
      'URL of an HTTP proxy to this upstream; by reference if it holds a password. `false`: no proxy. Not given: from the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`).',
    ),
  priceProvider: z
    .string()
    .regex(/^[^/\s]+(?:\/[^/\s]+)*$/, { error: 'must be a name such as azure/eu' })
    .optional()
    .describe(
      'What a price file (`ledger.prices`) has before the models of this upstream, such as `azure/eu` or `bedrock/eu-west-1`. Not given: by the preset or the host.',
    ),
  requestUsage: z
    .boolean()
    .default(false)
    .describe(
      'Request the usage of streamed chat completions and completions (`stream_options.include_usage`) when the client does not, and remove it from the response again. Events are then passed on when they are complete.',
    ),
  websockets: z
    .boolean()
    .optional()
    .describe(
      'Whether WebSockets (Responses, Realtime) are opened to this upstream. Where no target has them, the client gets 426 and uses HTTP. Not given: as `websockets` says.',
    ),
  warm: z
    .boolean()
    .default(true)
    .describe(
      'Connect at start with a `HEAD` request without a credential, so that the first request does not wait for DNS, TCP and TLS.',
    ),
})
