import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { configure, UPSTREAM_KEY } from '../../support/start.js'
import { clear, type Place, started, type Thinwire } from '../../support/thinwire.js'
import { type Gate, gate, until } from '../../support/until.js'
import { CHUNKED, head, ScriptedUpstream, SSE, whole } from '../../support/upstream.js'
import { endLoads, isAlive, PATIENT, SLOW_MS, untilGone } from './scene.js'

/** A relay of one process before an upstream that holds the streams of `/v1/held` until the gate is open. */
export interface SuccessionScene {
  readonly thinwire: Thinwire
  readonly last: Gate
}

/** What the upstream says at the end of a held stream; its tokens are counted on budgets. */
const LAST = 'data: {"choices":[],"usage":{"prompt_tokens":400,"completion_tokens":600}}\n\n'

export function settingsOf(upstreamUrl: string): Record<string, unknown> {
  const up = { baseUrl: upstreamUrl, apiKey: { env: 'UPSTREAM_KEY' }, warm: false }
  return { upstreams: { up }, timeouts: PATIENT }
}

export async function startOne(
  place: Place,
  settings: Record<string, unknown> = {},
  env: Record<string, string> = {},
): Promise<SuccessionScene> {
  const last = gate()
  const upstream = await ScriptedUpstream.start(async (received) => {
    if (received.target !== '/v1/chat/completions') {
      await received.write(whole('200 OK', '{}'))
      return
    }
    await received.write(head('200 OK', SSE, CHUNKED))
    await received.chunk('data: {"choices":[{"index":0,"delta":{"content":"first"}}]}\n\n')
    await last.opened
    await received.chunk(LAST)
    await received.chunk('data: [DONE]\n\n')
    await received.lastChunk()
  })
  place.upstreams.push(upstream)
  configure(place, { ...settingsOf(upstream.url), ...settings })
  const thinwire = await started(place, [], { UPSTREAM_KEY, ...env })
  return { thinwire, last }
}

const BODY = JSON.stringify({
  model: 'm',
  stream: true,
  stream_options: { include_usage: true },
  messages: [{ role: 'user', content: 'Hello' }],
})

/** Opens a stream that lasts until the gate is open. */
export async function openHeld(place: Place, thinwire: Thinwire) {
  const client = await thinwire.client(place)
  client.send(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer ${thinwire.key}\r\ncontent-type: application/json\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY}`,
  )
  await client.sees('first')
  return client
}

/** Sends a request that is to be refused with 429. @returns the body of the refusal */
export async function refusalOf(thinwire: Thinwire, path: string): Promise<string> {
  const isRead = path === '/v1/x'
  const answer = await fetch(`${thinwire.url}${path}`, {
    method: isRead ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${thinwire.key}`, 'content-type': 'application/json' },
    ...(isRead ? {} : { body: BODY }),
  })
  const text = await answer.text()
  assert.is(answer.status, 429, text)
  return text
}

type Ask = (path: string) => Promise<Record<string, unknown>>

/** Signs in to the page as an operator. @returns asks its API with that session */
export async function signIn(place: Place): Promise<Ask> {
  const link = readFileSync(join(place.folder, 'data', 'page-link'), 'utf8').trim()
  const { headers } = await fetch(link, { redirect: 'manual' })
  const [cookie = ''] = (headers.get('set-cookie') ?? '').split(';', 1)
  return async (path) => {
    const get = (): Promise<Response> => fetch(new URL(`/api/${path}`, link), { headers: { cookie } })
    // A browser asks again too, if the connection that it has kept is closed in this very moment.
    const response = await get().catch(get)
    const text = await response.text()
    assert.is(response.status, 200, text)
    return JSON.parse(text) as Record<string, unknown>
  }
}

/** @returns what the page says of streams: the tokens of their answers, and how many have ended well */
export async function readShown(ask: Ask): Promise<[tokens: number, ended: number]> {
  const { sum } = (await ask('totals?range=1h&by=model&model=m')) as {
    sum: { counts: { completionTokens: number } }
  }
  const { requests } = (await ask('requests?model=m')) as { requests: { end: string }[] }
  return [sum.counts.completionTokens, requests.filter(({ end }) => end === 'done').length]
}

export async function untilShown(ask: Ask, wanted: readonly [tokens: number, ended: number]): Promise<void> {
  let shown = 'nothing'
  let isAsking = false
  const look = async (): Promise<void> => {
    isAsking = true
    shown = await readShown(ask).then(String, String)
    isAsking = false
  }
  const isShown = (): boolean => {
    if (!isAsking) void look()
    return shown === String(wanted)
  }
  await until(isShown, `the page to show ${wanted}`).catch((error: Error) => {
    throw new Error(`${error.message}; it shows ${shown}`)
  })
}

/** Process ids of the successors that were started, in that order. */
export function startedPids(out: string): number[] {
  return [...out.matchAll(/"msg":"restart: process (\d+) starts/g)].map(([, pid]) => Number(pid))
}

/** Process ids of those that took over. */
export function takenPids(out: string): number[] {
  return [...out.matchAll(/"msg":"restart: process (\d+) has taken over/g)].map(([, pid]) => Number(pid))
}

/** Has the relay replaced by a signal. @returns the process that serves now */
export async function replace(thinwire: Thinwire, pid = thinwire.child.pid ?? 0): Promise<number> {
  const before = takenPids(thinwire.out).length
  process.kill(pid, 'SIGUSR2')
  await until(() => takenPids(thinwire.out).length > before, 'a process to take over', SLOW_MS)
  return takenPids(thinwire.out).at(-1) as number
}

/** Ends all processes: successors outlive a process that is killed. */
export async function clearOne(place: Place): Promise<void> {
  endLoads()
  const pids = place.running.flatMap(({ out }) => startedPids(out)).filter(isAlive)
  for (const thinwire of place.running) thinwire.child.kill('SIGKILL')
  for (const pid of pids) process.kill(pid, 'SIGKILL')
  await untilGone(pids)
  await clear(place)
}
