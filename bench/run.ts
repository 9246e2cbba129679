import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { fileURLToPath } from 'node:url'
import autocannon from 'autocannon'
import { benchPeek, promptOf } from './micro/peek.js'

/**
 * Thinwire beside a direct connection and beside the least that a relay in Node can be, each in a process of its own,
 * in interleaved rounds. Absolute figures are this machine's, of this minute; the ratios of medians are the result.
 */

const ROUNDS = process.argv.includes('--quick') ? 3 : 7
const SECONDS = 2
const STREAMS = 300

interface Contestant {
  readonly name: string
  readonly port: number
  readonly key: string
  readonly perSecond: number[]
  readonly firstByte: number[]
}

const children: ChildProcess[] = []

async function startProcess(file: string, ...args: string[]): Promise<{ port: number; key: string }> {
  const child = fork(fileURLToPath(new URL(`wire/${file}.js`, import.meta.url)), args, {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  children.push(child)
  const [message] = (await once(child, 'message')) as [number | { port: number; key: string }]
  return typeof message === 'number' ? { port: message, key: 'none' } : message
}

async function requestsPerSecond(contestant: Contestant, body: Buffer): Promise<number> {
  const result = await autocannon({
    url: `http://127.0.0.1:${contestant.port}/v1/chat/completions`,
    method: 'POST',
    headers: { authorization: `Bearer ${contestant.key}`, 'content-type': 'application/json' },
    body,
    connections: 20,
    duration: SECONDS,
  })
  if (result.non2xx > 0 || result.errors > 0) {
    throw new Error(`${contestant.name}: ${result.non2xx} answers were not 200, ${result.errors} failed`)
  }
  return result.requests.average
}

/** Median time to the first body byte of a stream in ms, one stream at a time on a kept connection. */
async function firstByte(contestant: Contestant, body: Buffer, agent: Agent): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < STREAMS; i++) {
    const startedAt = performance.now()
    await new Promise<void>((resolve, reject) => {
      const req = request({
        agent,
        port: contestant.port,
        host: '127.0.0.1',
        method: 'POST',
        path: '/v1/stream',
        headers: {
          authorization: `Bearer ${contestant.key}`,
          'content-type': 'application/json',
          'content-length': body.length,
        },
      })
      req.on('error', reject)
      req.on('response', (res) => {
        res.once('data', () => times.push(performance.now() - startedAt))
        res.on('end', resolve)
      })
      req.end(body)
    })
  }
  return median(times)
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? Number.NaN
}

function spread(values: readonly number[]): string {
  return `${Math.min(...values).toPrecision(3)}..${Math.max(...values).toPrecision(3)}`
}

async function main(): Promise<void> {
  const say = (text: string): boolean => process.stdout.write(`${text}\n`)
  for (const line of await benchPeek()) say(line)

  const upstream = await startProcess('upstream')
  const origin = `http://127.0.0.1:${upstream.port}`
  const contestants: Contestant[] = [
    { name: 'direct', ...upstream, perSecond: [], firstByte: [] },
    { name: 'bare pass-through', ...(await startProcess('bare', origin)), perSecond: [], firstByte: [] },
    { name: 'thinwire', ...(await startProcess('relay', origin)), perSecond: [], firstByte: [] },
  ]
  const body = promptOf(2_000)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  for (let round = 0; round <= ROUNDS; round++) {
    // The order turns each round; the first round warms up and is not counted.
    for (const contestant of round % 2 === 0 ? contestants : [...contestants].reverse()) {
      const perSecond = await requestsPerSecond(contestant, body)
      const first = await firstByte(contestant, body, agent)
      if (round === 0) continue
      contestant.perSecond.push(perSecond)
      contestant.firstByte.push(first)
    }
    process.stderr.write(`round ${round} of ${ROUNDS}\n`)
  }
  agent.destroy()

  say('')
  say(`medians of ${ROUNDS} interleaved rounds, smallest..largest`)
  say(`${''.padEnd(18)} ${'requests/s, 2 KB in'.padEnd(28)} first byte, ms`)
  for (const contestant of contestants) {
    const rate = `${Math.round(median(contestant.perSecond))} (${spread(contestant.perSecond)})`
    const time = `${median(contestant.firstByte).toFixed(3)} (${spread(contestant.firstByte)})`
    say(`${contestant.name.padEnd(18)} ${rate.padEnd(28)} ${time}`)
  }
  const [direct, bare, ours] = contestants
  if (direct === undefined || bare === undefined || ours === undefined) return
  const added = (contestant: Contestant): number => median(contestant.firstByte) - median(direct.firstByte)
  say('')
  say(
    `thinwire answers ${(median(ours.perSecond) / median(bare.perSecond)).toFixed(2)}x the requests of the bare pass-through`,
  )
  say(
    `thinwire adds ${added(ours).toFixed(3)} ms to the first byte, the bare pass-through ${added(bare).toFixed(3)} ms`,
  )
}

try {
  await main()
} finally {
  for (const child of children) child.disconnect()
}
