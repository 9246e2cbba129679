import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RawClient } from './client.js'
import { type Place, started, type Thinwire } from './thinwire.js'
import { gate } from './until.js'
import { CHUNKED, head, ScriptedUpstream, SSE } from './upstream.js'

/** A config file in the folder of the test. */
export function configure(place: Place, settings: unknown): void {
  const text = typeof settings === 'string' ? settings : JSON.stringify(settings)
  writeFileSync(join(place.folder, 'thinwire.json'), text)
}

export const UPSTREAM_KEY = 'sk-upstream-secret-0123456789'

/** A relay before an upstream that sends one event, and the last one only when the gate is open. */
export async function streaming(place: Place, settings: Record<string, unknown> = {}) {
  const last = gate()
  const upstream = await ScriptedUpstream.start(async (request) => {
    if (request.method === 'HEAD') {
      await request.write(head('200 OK', 'content-length: 0'))
      return
    }
    await request.write(head('200 OK', SSE, CHUNKED))
    await request.chunk('data: first\n\n')
    await last.opened
    await request.chunk('data: last\n\n')
    await request.lastChunk()
  })
  place.upstreams.push(upstream)
  configure(place, {
    upstreams: { up: { baseUrl: upstream.url, apiKey: { env: 'UPSTREAM_KEY' } } },
    ...settings,
  })
  const thinwire = await started(place, [], { UPSTREAM_KEY })
  return { thinwire, last, upstream }
}

/** A client that has got the first event of a stream. */
export async function openStream(place: Place, thinwire: Thinwire): Promise<RawClient> {
  const client = await thinwire.client(place)
  client.send(`GET /v1/x HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer ${thinwire.key}\r\n\r\n`)
  await client.sees('data: first\n\n')
  return client
}

/** The status of a request with this key. */
export async function status(thinwire: Thinwire, key: string): Promise<number> {
  const answer = await fetch(`${thinwire.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })
  await answer.text()
  return answer.status
}
