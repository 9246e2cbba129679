import { z } from 'zod'
import { APIS, AUTH_SCHEMES, PRESET_NAMES } from '../api/presets.js'
import { duration, secretRef, size } from './schema-values.js'

/** Unreserved characters (RFC 3986, 2.3), which need no encoding. */
const PARAMETER_NAME = /^[\w.~-]+$/

const headerName = z.string().regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, { error: 'is not a header name' })
const prefix = z
  .string()
  .optional()
  .describe('What stands in front of the secret in the header, such as "Bearer ".')
export const headerValue = z.union(
  [
    z.string(),
    z.strictObject({ env: z.string().min(1), prefix }),
    z.strictObject({ file: z.string().min(1), prefix }),
  ],
  { error: 'must be a text, or a secret by reference: {"env": "NAME"} or {"file": "PATH"}' },
)

export const upstream = z.strictObject({
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
  apis: z
    .array(z.enum(APIS))
    .min(1)
    .optional()
    .describe(
      'What it speaks of chat, completions, responses, messages and embeddings; it is not asked for the others. None given: as the preset has it, else all.',
    ),
  limits: z
    .strictObject({
      maxConcurrentRequests: size(1, 1_000_000)
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
  requestUsage: z
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
