import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Watch } from './busyness.js'
import { BARE, type Contestant, DIRECT, type Running, THINWIRE } from './contestants.js'
import { Driver } from './driver.js'
import { describeMachine, streamsThatFit } from './machine.js'
import { runStreams } from './paced.js'
import { type BySize, type Stage, sized } from './scenario.js'
import { holdStreams } from './scenarios/memory.js'
import { ascending, quantile } from './statistics.js'
import type { SuiteOptions } from './suite.js'
import { align, digits } from './table.js'
import { startUpstream } from './upstream.js'
import { SHORT_ANSWER, SHORT_STREAM } from './wire/plan.js'

/** A fast model with its usual pieces of some words. */
const EVENTS_PER_SECOND = 30

/** The delay that a core must keep to; a person sees a hundred milliseconds. */
const LIMIT_US = 10_000

/** The largest numbers that are tried. */
const MOST_REQUESTS = 50_000
const MOST_HELD = 10_000

/** A trial fails for good if it fails twice: a pause of the machine looks like too much load. */
const ATTEMPTS = 2

/** What one core carries of one contestant. */
export interface Capacity {
  readonly contestant: string
  readonly streams: number
  readonly requestsPerSecond: number
  /** CPU time in microseconds of one stream for each second, and of one request. */
  readonly streamCpuUs: number
  readonly requestCpuUs: number
  /** Streams of which the memory was measured. */
  readonly held: number
  readonly restBytes: number
  readonly heldBytes: number
}

/** Finds how much one core carries, and prints a table for sizing. Also writes `capacity.json`. */
export async function measureCapacity(options: SuiteOptions, out: string): Promise<string[]> {
  const { mode, placement, record, onProgress } = options
  const watch = await Watch.begin(placement)
  const upstream = await startUpstream(placement, mode)
  const driver = new Driver(placement)
  const stage: Stage = { driver, record, mode }
  const surroundings = {
    placement,
    upstreamPort: upstream.port,
    upstream: upstream.child,
    secure: null,
    thinwireFlags: [],
  }
  const found: Capacity[] = []
  try {
    // Without a relay: what the core of client and upstream carries. No relay can be seen to carry more.
    for (const contestant of [DIRECT, BARE, THINWIRE]) {
      onProgress(`how much one core carries of ${contestant.name}`)
      found.push(await capacityOf(stage, contestant, (name) => name.start(surroundings), onProgress))
    }
  } finally {
    await Promise.all([driver.child.stop(), upstream.stop()])
  }
  const busy = watch.whyBusy()
  mkdirSync(out, { recursive: true })
  const results = { v: 1, machine: describeMachine(placement), busy, found }
  writeFileSync(join(out, 'capacity.json'), `${JSON.stringify(results, null, 1)}\n`)
  return [...sizingTable(found), ...(busy === null ? [] : ['', `the machine was busy: ${busy}`])]
}

async function capacityOf(
  stage: Stage,
  contestant: Contestant,
  start: (contestant: Contestant) => Promise<Running>,
  onProgress: (text: string) => void,
): Promise<Capacity> {
  const running = await start(contestant)
  try {
    const rest = { target: running, plan: SHORT_STREAM, promptBytes: 2_000, pace: null }
    await stage.driver.run('sequential', { ...rest, streams: sized(stage.mode, WARM_UP) })
    const held = Math.min(sized(stage.mode, HELD), streamsThatFit())
    // Memory comes first: what the loads leave behind is no part of it.
    const { restBytes, heldBytes } = await holdStreams(stage, running, held)
    const tell = (what: string) => (amount: number, p99: number) =>
      onProgress(`  ${contestant.name}, ${amount} ${what}: p99 ${(p99 / 1_000).toFixed(1)} ms`)
    const streams = await findMost(
      sized(stage.mode, FIRST_STREAMS),
      Math.min(sized(stage.mode, MOST_STREAMS), streamsThatFit()),
      (count) => streamDelay(stage, running, count),
      tell('streams'),
    )
    const requestsPerSecond = await findMost(
      sized(stage.mode, FIRST_REQUESTS),
      sized(stage.mode, { whole: MOST_REQUESTS, quick: MOST_REQUESTS, smoke: 100 }),
      (rate) => responseTime(stage, running, rate),
      tell('requests/s'),
    )
    const costs = await costsOf(stage, running)
    return { contestant: contestant.name, streams, requestsPerSecond, ...costs, held, restBytes, heldBytes }
  } finally {
    await running.stop()
  }
}

const WARM_UP: BySize<number> = { whole: 6_000, quick: 6_000, smoke: 5 }
const HELD: BySize<number> = { whole: MOST_HELD, quick: MOST_HELD, smoke: 20 }
const FIRST_STREAMS: BySize<number> = { whole: 250, quick: 250, smoke: 5 }
const MOST_STREAMS: BySize<number> = { whole: 8_000, quick: 8_000, smoke: 10 }
const FIRST_REQUESTS: BySize<number> = { whole: 1_000, quick: 1_000, smoke: 50 }

/**
 * Finds the largest amount that keeps to the limit, to a tenth: doubles it until it fails, then halves the space between.
 * @param first the amount to begin with
 * @param p99 measures the 99th percentile in microseconds for an amount
 * @returns 0 if not even a quarter of the first amount keeps to the limit
 */
export async function findMost(
  first: number,
  most: number,
  p99: (amount: number) => Promise<number>,
  tell: (amount: number, p99: number) => void = () => {},
): Promise<number> {
  const holds = async (amount: number): Promise<boolean> => {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const us = await p99(amount)
      tell(amount, us)
      if (us < LIMIT_US) return true
    }
    return false
  }
  let low = 0
  let high = first
  while (await holds(high)) {
    low = high
    if (high >= most) return most
    high = Math.min(most, high * 2)
  }
  while (high - low > Math.max(1, high / 10) && high > first / 4) {
    const middle = Math.round((low + high) / 2)
    if (await holds(middle)) low = middle
    else high = middle
  }
  return low
}

async function streamDelay(stage: Stage, running: Running, streams: number): Promise<number> {
  const everyMs = Math.round(1_000 / EVENTS_PER_SECOND)
  const seconds = sized(stage.mode, { whole: 3, quick: 1.5, smoke: 0.1 })
  try {
    // Half a millisecond for each start: the load is the events, not the requests.
    const beat = { everyMs, startMs: Math.max(everyMs, streams / 2) }
    const { delayUs } = await runStreams(stage, running, streams, seconds, beat)
    return quantile(ascending(delayUs), 0.99)
  } catch (error) {
    if (error instanceof Error && error.message.includes('never steady')) return Number.POSITIVE_INFINITY
    throw error
  }
}

/** CPU time under a load that every relay carries: a host that pauses the machine changes it less than any delay. */
async function costsOf(
  stage: Stage,
  running: Running,
): Promise<Pick<Capacity, 'streamCpuUs' | 'requestCpuUs'>> {
  const everyMs = Math.round(1_000 / EVENTS_PER_SECOND)
  const streams = sized(stage.mode, COST_STREAMS)
  const seconds = sized(stage.mode, { whole: 5, quick: 2, smoke: 0.1 })
  const { delayUs, readings } = await runStreams(stage, running, streams, seconds, {
    everyMs,
    startMs: everyMs,
  })
  const [first, last] = readings
  const streamCpuUs = ((last.cpuUs - first.cpuUs) / delayUs.length) * EVENTS_PER_SECOND
  const before = await running.child.read()
  const { requests } = await stage.driver.run('load', {
    target: running,
    plan: SHORT_ANSWER,
    promptBytes: 2_000,
    connections: 16,
    seconds,
    reconnect: false,
    refused: false,
  })
  const after = await running.child.read()
  return { streamCpuUs, requestCpuUs: (after.cpuUs - before.cpuUs) / requests }
}

/** Enough that one turn of the event loop has several events, as under load. */
const COST_STREAMS: BySize<number> = { whole: 300, quick: 300, smoke: 5 }

async function responseTime(stage: Stage, target: Running, rate: number): Promise<number> {
  const { responseUs } = await stage.driver.run('openLoop', {
    target,
    plan: SHORT_ANSWER,
    promptBytes: 2_000,
    rate,
    seconds: sized(stage.mode, { whole: 3, quick: 1.5, smoke: 0.2 }),
  })
  return quantile(ascending(responseUs), 0.99)
}

/** Numbers of streams at the same time that a table for sizing has. */
const SIZES = [100, 300, 1_000, 3_000, 10_000]

/** A core that is busy for half of the time has room for a burst. */
const SHARE_IN_USE = 0.5

/** What was found, and what follows of it for some sizes. */
export function sizingTable(found: readonly Capacity[]): string[] {
  const direct = found.find(({ contestant }) => contestant === 'direct')
  // The client's core was the limit, and the relay's may carry more.
  const shown = (value: number, limit: number | undefined): string =>
    `${limit !== undefined && value >= 0.9 * limit ? '>= ' : ''}${digits(value)}`
  const relays = found.filter((one) => one !== direct)
  const mib = (bytes: number): string => digits(bytes / 2 ** 20)
  const rows = [
    ['one core carries', ...relays.map(({ contestant }) => contestant)],
    [
      `streams of ${EVENTS_PER_SECOND} events/s, chunk p99 < 10 ms`,
      ...relays.map(({ streams }) => shown(streams, direct?.streams)),
    ],
    [
      'requests/s, 2 KB in, 1 KB out, p99 < 10 ms',
      ...relays.map((one) => shown(one.requestsPerSecond, direct?.requestsPerSecond)),
    ],
    ['CPU of a stream, ms in a second', ...relays.map(({ streamCpuUs }) => digits(streamCpuUs / 1_000))],
    ['CPU of a request, us', ...relays.map(({ requestCpuUs }) => digits(requestCpuUs))],
    [
      `MiB with ${digits(relays[0]?.held ?? 0)} open streams`,
      ...relays.map(({ heldBytes }) => mib(heldBytes)),
    ],
    ['MiB at rest', ...relays.map(({ restBytes }) => mib(restBytes))],
  ]
  const ours = relays.find(({ contestant }) => contestant === 'thinwire')
  if (ours === undefined) return align(rows)
  const each = (ours.heldBytes - ours.restBytes) / ours.held
  const sizes = SIZES.map((count) => [
    digits(count),
    digits(count / ours.streams),
    digits((count * ours.streamCpuUs) / 1e6 / SHARE_IN_USE),
    mib(ours.restBytes + count * each),
  ])
  return [
    ...align(rows),
    '',
    ...align([['streams at once', 'cores for p99 < 10 ms', 'cores, half in use', 'MiB'], ...sizes]),
  ]
}
