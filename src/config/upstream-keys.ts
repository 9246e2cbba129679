import { z } from 'zod'
import type { AuthScheme } from '../api/presets.js'
import type { Secrets } from './secrets.js'

/** Names stand in logs and metrics behind the name of the upstream: `openai#spare`. */
const name = z
  .string()
  .regex(/^[A-Za-z0-9][\w.-]{0,31}$/, { error: 'must be 1 to 32 letters, digits, "_", "." or "-"' })
  .optional()
  .describe('Name of the key in logs and metrics. Not given: its place in the list, from 1.')

const weight = z
  .number()
  .min(0)
  .max(1_000_000)
  .default(1)
  .describe('Share of the requests of this upstream. 0: used only when no other key can be.')

/** Entries of `keys` of an upstream. */
export const upstreamKeys = z
  .array(
    z.union(
      [
        z.strictObject({
          env: z.string().min(1).describe('Environment variable that holds it.'),
          name,
          weight,
        }),
        z.strictObject({
          file: z.string().min(1).describe('File that holds it, and nothing else.'),
          name,
          weight,
        }),
      ],
      {
        error:
          'a key is given by reference: {"env": "NAME"} or {"file": "PATH"}, perhaps with name and weight',
      },
    ),
  )
  .min(1)
  .max(100)
  .optional()
  .describe(
    'Several credentials for this upstream in place of `apiKey`, each by reference. They take turns by weight. A key that is refused, at its limit or out of quota is left for the next one, and tried again later.',
  )

/** One of several credentials of an upstream. */
export interface UpstreamKey {
  readonly name: string
  readonly weight: number
  readonly credential: string
}

/** Lists the keys of an upstream, whether it has one or several. */
export function listKeys({
  keys,
  apiKey,
}: {
  keys: readonly UpstreamKey[] | null
  apiKey: string | null
}): string[] {
  if (keys !== null) return keys.map(({ credential }) => credential)
  return apiKey === null ? [] : [apiKey]
}

/**
 * Reads the keys of an upstream.
 * @param path of the upstream's entry
 * @returns null if it has no `keys`
 */
export function readUpstreamKeys(
  given: z.infer<typeof upstreamKeys>,
  auth: AuthScheme,
  path: string,
  secrets: Secrets,
): readonly UpstreamKey[] | null {
  if (given === undefined) return null
  if (auth === 'none')
    secrets.report(`${path}.keys`, 'are never sent with auth "none"; leave them out, or choose another auth')
  const names = given.map((key, i) => key.name ?? String(i + 1))
  return given.map((key, i) => {
    const where = `${path}.keys[${i}]`
    const keyName = names[i] as string
    if (names.indexOf(keyName) !== i) secrets.report(`${where}.name`, 'is the name of another key already')
    const credential = secrets.read('env' in key ? { env: key.env } : { file: key.file }, where)
    return { name: keyName, weight: key.weight, credential }
  })
}
