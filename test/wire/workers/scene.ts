import { existsSync, readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { request as requestTls, Agent as TlsAgent } from 'node:https'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { readLedger } from '../../support/ledger.js'
import { configure, UPSTREAM_KEY } from '../../support/start.js'
import { clear, type Place, Thinwire } from '../../support/thinwire.js'
import { type Gate, gate, until, wait } from '../../support/until.js'
import { CHUNKED, head, ScriptedUpstream, SSE, whole } from '../../support/upstream.js'

/** Three processes start at once, each with a whole relay: on a busy machine that takes its time. */
export const SLOW_MS = 120_000

/** On a busy machine, open streams outlast a restart by more than the usual time. */
export const PATIENT = { drainMs: 600_000 }

/** A relay of two workers before an upstream that holds the streams of `/v1/held` until the gate is open. */
export interface WorkersScene {
  readonly thinwire: Thinwire
  /** Another one may take its place, for the streams that begin then. */
  last: Gate
}

export async function startWorkers(
  place: Place,
  settings: Record<string, unknown> = {},
  env: Record<string, string> = {},
): Promise<WorkersScene> {
  const gates = { last: gate() }
  const upstream = await ScriptedUpstream.start(async (received) => {
    const { last } = gates
    if (received.target !== '/v1/held') {
      await received.write(whole('200 OK', '{}'))
      return
    }
    await received.write(head('200 OK', SSE, CHUNKED))
    await received.chunk('data: first\n\n')
    await last.opened
    await received.chunk('data: last\n\n')
    await received.lastChunk()
  })
  place.upstreams.push(upstream)
  configure(place, { ...configOf(upstream.url), ...settings })
  const thinwire = new Thinwire(place, ['start', '--listen', '127.0.0.1:0'], { UPSTREAM_KEY, ...env })
  await until(() => thinwire.err.includes('see README') || thinwire.code !== null, 'the banner', SLOW_MS)
  assert.is(thinwire.code, null, thinwire.err)
  // The log comes by another pipe than the banner.
  await untilReady(thinwire, 2)
  return Object.assign(gates, { thinwire })
}

export function configOf(upstreamUrl: string): Record<string, unknown> {
  const up = { baseUrl: upstreamUrl, apiKey: { env: 'UPSTREAM_KEY' }, warm: false }
  return { workers: 2, limits: { connections: 1_000 }, upstreams: { up }, timeouts: PATIENT }
}

/** Ends the workers too: they outlive a primary that is killed. */
export async function clearWorkers(place: Place): Promise<void> {
  endLoads()
  const pids = place.running.flatMap(readyPids).filter(isAlive)
  for (const thinwire of place.running) thinwire.child.kill('SIGKILL')
  for (const pid of pids) process.kill(pid, 'SIGKILL')
  await untilGone(pids)
  await clear(place)
}

/** Process ids of the workers that became ready, in that order. */
export function readyPids({ out }: Thinwire): number[] {
  return [...out.matchAll(/"pid":(\d+),"msg":"worker \d+ is ready"/g)].map(([, pid]) => Number(pid))
}

/** Waits until so many workers have become ready since the start. */
export async function untilReady(thinwire: Thinwire, count: number): Promise<void> {
  await until(() => readyPids(thinwire).length >= count, `${count} workers to be ready`, SLOW_MS)
}

/** A process that has ended, and that nobody has asked for yet, is not alive: an orphan may stay so for a while. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    // It has ended just now, or this system has no /proc.
    return !existsSync('/proc/self/status')
  }
}

export async function untilGone(pids: readonly number[]): Promise<void> {
  await until(() => !pids.some(isAlive), `the processes ${pids.join(', ')} to end`, SLOW_MS)
}

/** Opens a stream that lasts until the gate is open. Two that are opened one after the other are at two workers. */
export async function holdStream(place: Place, thinwire: Thinwire) {
  const client = await thinwire.client(place)
  client.send(`GET /v1/held HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer ${thinwire.key}\r\n\r\n`)
  await client.sees('data: first\n\n')
  return client
}

const loads = new Set<Load>()

/** Ends those of a test that has failed: they would keep this process alive. */
export function endLoads(): void {
  for (const load of loads) void load.stop()
}

/** Clients that send one request after the other on connections that they keep, as long as they may. */
export class Load {
  answered = 0
  readonly problems: string[] = []
  private goesOn = true
  private readonly runs: Promise<void>[]
  private readonly url: string
  private readonly key: string
  private readonly isTls: boolean

  private readonly isKept: boolean

  private readonly pauseMs: number

  /**
   * @param isKept false: each request has a connection of its own
   * @param pauseMs of a client after each request: steady, and light on the machine
   */
  constructor(thinwire: Thinwire, clients: number, isKept = true, pauseMs = 10) {
    this.isKept = isKept
    this.pauseMs = pauseMs
    this.url = `${thinwire.url}/v1/x`
    this.isTls = thinwire.url.startsWith('https:')
    this.key = thinwire.key
    loads.add(this)
    this.runs = Array.from({ length: clients }, () => this.run())
  }

  async stop(): Promise<void> {
    this.goesOn = false
    loads.delete(this)
    await Promise.all(this.runs)
  }

  private async run(): Promise<void> {
    const options = { keepAlive: this.isKept, maxSockets: 1 }
    const agent = this.isTls ? new TlsAgent({ ...options, rejectUnauthorized: false }) : new Agent(options)
    while (this.goesOn) {
      const problem = await this.ask(agent)
      if (problem === null) this.answered++
      else this.problems.push(problem)
      await wait(this.pauseMs)
    }
    agent.destroy()
  }

  /** @returns null if it was answered well */
  private ask(agent: Agent): Promise<string | null> {
    return new Promise((resolve) => {
      const sent = (this.isTls ? requestTls : request)(
        this.url,
        { agent, headers: { authorization: `Bearer ${this.key}` } },
        (response) => {
          response.resume()
          response.once('error', (error) => resolve(error.message))
          response.once('end', () =>
            resolve(response.statusCode === 200 ? null : `status ${response.statusCode}`),
          )
        },
      )
      sent.once('error', (error) => resolve(error.message))
      sent.end()
    })
  }
}

/** Every request that was answered has its record, and no other. */
export async function checkRecords(place: Place, answered: number): Promise<void> {
  const records = readLedger(join(place.folder, 'data'))
  assert.is(records.length, answered)
  assert.ok(records.every(({ end }) => end === 'done'))
}
