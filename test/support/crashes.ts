import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { listJournalNames } from '../../src/ledger/journal.js'
import { readStarts } from '../../src/ledger/read/start-check.js'
import { readLedgerAfterKills } from './ledger.js'
import { configure } from './start.js'
import { type Place, started, type Thinwire } from './thinwire.js'
import { gate, wait } from './until.js'
import { CHUNKED, head, ScriptedUpstream, SSE } from './upstream.js'

export const OPEN = { keys: { mode: 'off' } }
export const UPSTREAM_KEY = 'sk-upstream-secret-0123456789'

export function data(place: Place): string {
  return join(place.folder, 'data')
}

export function records(place: Place): Record<string, unknown>[] {
  return readLedgerAfterKills(data(place))
}

export function journals(place: Place): string[] {
  return existsSync(data(place)) ? listJournalNames(readdirSync(data(place))).map(({ name }) => name) : []
}

/** Requests in the journals. */
async function journaled(place: Place): Promise<number> {
  const { open: starts } = await readStarts([data(place)])
  return starts.reduce((all, { openRequests }) => all + openRequests, 0)
}

export async function untilJournaled(place: Place, count: number): Promise<void> {
  let found = 0
  for (let i = 0; i < 500 && found < count; i++) {
    await wait(20)
    found = await journaled(place)
  }
  assert.is(found, count)
}

/** A relay before an upstream that streams words of a chat until the gate is opened, or answers at once. */
export async function chatting(place: Place, settings: Record<string, unknown> = {}) {
  const last = gate()
  const upstream = await ScriptedUpstream.start(async (request) => {
    if (!request.target.includes('chat')) {
      await request.write(head('200 OK', 'content-length: 2'))
      await request.write('{}')
      return
    }
    await request.write(head('200 OK', SSE, CHUNKED))
    for (const word of ['one ', 'two ', 'three ']) {
      const chunk = { object: 'chat.completion.chunk', model: 'm-1', choices: [{ delta: { content: word } }] }
      await request.chunk(`data: ${JSON.stringify(chunk)}\n\n`)
    }
    await last.opened
    await request.chunk('data: [DONE]\n\n')
    await request.lastChunk()
  })
  place.upstreams.push(upstream)
  configure(place, {
    upstreams: { up: { baseUrl: upstream.url, apiKey: { env: 'UPSTREAM_KEY' }, warm: false } },
    ...OPEN,
    ...settings,
  })
  return { upstream, last, thinwire: await started(place, [], { UPSTREAM_KEY }) }
}

export async function chat(place: Place, thinwire: Thinwire): Promise<void> {
  const client = await thinwire.client(place)
  const body = JSON.stringify({
    model: 'm',
    stream: true,
    messages: [{ role: 'user', content: 'Please count to three.' }],
  })
  client.send(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
  await client.sees('three ')
}

export async function get(thinwire: Thinwire, path: string): Promise<void> {
  const answer = await fetch(`${thinwire.url}/v1/${path}`)
  await answer.text()
}
