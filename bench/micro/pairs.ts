import { createHash } from 'node:crypto'
import { hashKey, inspectKey, mintKey } from '../../src/access/key.js'
import { requestHeaders } from '../../src/http/headers.js'
import { peek } from '../../src/http/peek.js'
import { promptOf, REQUEST_HEADERS } from './fixtures.js'

/** Something that Thinwire does on the way of a request, beside the usual way to do it. */
export interface Pair {
  readonly figure: string
  readonly ours: () => unknown
  readonly usual: { readonly name: string; readonly run: () => unknown }
}

const ADDED = ['authorization', 'Bearer sk-bench-0000000000']

export function makePairs(): Pair[] {
  const key = mintKey({ env: 'prod', team: 'team1', user: 'user1' })
  return [
    ...(['2k', '100k', '2m'] as const).map((label) => {
      const body = promptOf({ '2k': 2_000, '100k': 100_000, '2m': 2_000_000 }[label])
      return {
        figure: `peek_${label}`,
        ours: () => peek(body),
        usual: { name: 'JSON.parse', run: () => parseForModel(body) },
      }
    }),
    {
      figure: 'request_headers',
      ours: () => requestHeaders(REQUEST_HEADERS, ADDED, false),
      usual: { name: 'object copy', run: () => copyHeaders(REQUEST_HEADERS) },
    },
    {
      figure: 'key_check',
      ours: () => (typeof inspectKey(key) === 'object' ? hashKey(key) : ''),
      usual: { name: 'createHash', run: () => createHash('sha256').update(key).digest('hex') },
    },
  ]
}

export function parseForModel(body: Buffer): { model: unknown; stream: unknown } {
  const { model, stream } = JSON.parse(body.toString())
  return { model, stream }
}

/** As relays without raw headers do it: into an object with names in lower case, and what is not wanted deleted. */
export function copyHeaders(raw: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {}
  for (let i = 0; i + 1 < raw.length; i += 2) headers[(raw[i] as string).toLowerCase()] = raw[i + 1] as string
  for (const name of Object.keys(headers)) {
    if (name.startsWith('x-forwarded-') || name.startsWith('sec-fetch-')) delete headers[name]
  }
  for (const name of ['host', 'connection', 'content-length', 'x-real-ip', 'authorization'])
    delete headers[name]
  return { ...headers, authorization: 'Bearer sk-bench-0000000000' }
}
