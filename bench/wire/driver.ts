import { once } from 'node:events'
import autocannon, { type Instance } from 'autocannon'
import { runBursts } from './bursts.js'
import { askAnswers, askCompletions, askTogether } from './completions.js'
import type { DriverMessage, JobMessage, JobName, Jobs } from './jobs.js'
import { askAtTimes } from './open-loop.js'
import { agentPromptWith, nowUs, type Plan, promptWith, RESUMED_HEADER } from './plan.js'
import { OPENING, openAll, type Pace, requestBytes, StreamClient, type Target } from './stream.js'

// The clients of the wire benches, in a process of their own. It gets one job at a time over IPC.

/** A key with the right form and a wrong checksum: the most expensive kind of bad key. */
const BAD_KEY = `lc_prod_team1_user1_${'0'.repeat(28)}`

/** autocannon ends only when it takes a sample, each second by default. Short runs need shorter samples. */
const SAMPLE_MS = 100

function send(message: DriverMessage): void {
  process.send?.(message)
}

function bytesOf(target: Target, plan: Plan, promptBytes: number): Buffer {
  return requestBytes(target, promptWith(plan, promptBytes))
}

/** Reads one stream on a kept connection to its end. */
function stream(client: StreamClient, request: Buffer, onEvent: (delay: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    client.ask(request, { onEvent, onEnd: resolve, onFailure: reject })
  })
}

/** Like `stream`. @returns when the last byte of the prompt was sent and when the first event came, in microseconds */
function timed(
  client: StreamClient,
  request: Buffer,
  pace: Pace | null,
  onEvent: (delay: number) => void,
  onHead?: (text: string) => void,
): Promise<{ askedAt: number; firstAt: number }> {
  return new Promise((resolve, reject) => {
    let askedAt = nowUs()
    let firstAt = 0
    const listener = {
      ...(onHead === undefined ? {} : { onHead }),
      onEvent(delay: number, now: number): void {
        if (firstAt === 0) firstAt = now
        onEvent(delay)
      },
      onEnd: () => resolve({ askedAt, firstAt }),
      onFailure: reject,
    }
    if (pace === null) {
      client.ask(request, listener)
      return
    }
    client.askSlowly(request, pace, listener).then((sentAt) => {
      askedAt = sentAt
    }, reject)
  })
}

async function sequential(ask: Jobs['sequential']['ask']): Promise<Jobs['sequential']['answer']> {
  const client = new StreamClient(ask.target)
  await once(client.socket, 'connect')
  const request =
    ask.turns === undefined
      ? bytesOf(ask.target, ask.plan, ask.promptBytes)
      : requestBytes(ask.target, agentPromptWith(ask.plan, ask.promptBytes, ask.turns))
  const firstByteUs: number[] = []
  const delayUs: number[] = []
  let resumed = 0
  const startedAt = performance.now()
  for (let i = 0; i < ask.streams; i++) {
    let events = 0
    if (ask.every !== undefined) await waitUntil(startedAt + i * ask.every)
    const onEvent = (delay: number): void => {
      delayUs.push(delay)
      events++
    }
    const onHead = (text: string): void => {
      if (text.includes(RESUMED_HEADER)) resumed++
    }
    const { askedAt, firstAt } = await timed(client, request, ask.pace, onEvent, onHead)
    firstByteUs.push(firstAt - askedAt)
    expectEvents(ask.target, events, ask.plan.chunks)
  }
  client.close()
  return { firstByteUs, delayUs, resumed }
}

/** @param at milliseconds of `performance.now()` */
async function waitUntil(at: number): Promise<void> {
  const ms = at - performance.now()
  // A timer is for whole milliseconds.
  if (ms >= 1) await new Promise((resolve) => setTimeout(resolve, ms))
}

async function paced(ask: Jobs['paced']['ask']): Promise<Jobs['paced']['answer']> {
  const { target, plan } = ask
  const clients = await openAll(target, ask.streams)
  const request = pacedRequest(ask)
  const stalled = ask.stalled ? stall(target) : null
  const flood = ask.requestsPerSecond > 0 ? floodOf(target, ask) : null
  const delayUs: number[] = []
  let begun = 0
  let counting = false
  let over = false
  const ended: Promise<void>[] = []
  const startedAt = performance.now()
  const apartMs = (ask.startMs ?? plan.every) / clients.length
  for (const client of clients) {
    let events = 0
    ended.push(
      stream(client, request, (delay) => {
        events++
        if (counting) delayUs.push(delay)
        // The first events carry the cost of the request; the last ones, of other streams' ends.
        if (events === 3 && ++begun === clients.length) {
          counting = true
          send({ mark: 'begin' })
        }
        if (events === plan.chunks - 3 && !over) {
          over = true
          counting = false
          send({ mark: 'end' })
        }
      }).then(() => expectEvents(target, events, plan.chunks)),
    )
    await waitUntil(startedAt + ended.length * apartMs)
  }
  await Promise.all(ended)
  flood?.stop()
  stalled?.close()
  for (const client of clients) client.close()
  return { delayUs }
}

function pacedRequest({ target, plan, promptBytes, api }: Jobs['paced']['ask']): Buffer {
  const path = api === 'chat' ? '/v1/chat/completions' : '/cursor/v1/chat/completions'
  return requestBytes(target, promptWith(plan, promptBytes, api), path)
}

/** A client that requests more than any buffer holds, and reads nothing. */
function stall(target: Target): StreamClient {
  const client = new StreamClient(target)
  const plan = { json: 0, chunks: 20_000, every: 0, bytes: 8_000 }
  client.ask(bytesOf(target, plan, 2_000), { onEvent() {}, onEnd() {}, onFailure() {} })
  client.socket.pause()
  return client
}

/** Sends requests at a steady rate on kept connections; with a bad key, like a client whose key was revoked. */
function floodOf(target: Target, ask: Jobs['paced']['ask']): { stop(): void } {
  const instance: Instance = autocannon(
    {
      url: `http://127.0.0.1:${target.port}/v1/chat/completions`,
      method: 'POST',
      headers: headersOf(target, ask.badKey),
      body: promptWith({ json: 500, chunks: 0, every: 0, bytes: 0 }, 2_000),
      connections: 10,
      overallRate: ask.requestsPerSecond,
      duration: 600,
    },
    () => {},
  )
  return instance
}

function headersOf(target: Target, badKey: boolean): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  for (const header of target.headers) {
    const colon = header.indexOf(':')
    headers[header.slice(0, colon)] = header.slice(colon + 1).trim()
  }
  if (badKey) headers.authorization = `Bearer ${BAD_KEY}`
  return headers
}

const MOST_ATTEMPTS = 7

/** For longer, if no request was answered: a busy machine may need a second for the first ones to a new process. */
async function load(ask: Jobs['load']['ask']): Promise<Jobs['load']['answer']> {
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    const answer = await loadOnce({ ...ask, seconds: ask.seconds * 2 ** attempt })
    if (answer.requests > 0) return answer
  }
  throw new Error(`${ask.target.name}: no request was answered`)
}

async function loadOnce(ask: Jobs['load']['ask']): Promise<Jobs['load']['answer']> {
  const headers = headersOf(ask.target, ask.refused)
  const startedAt = performance.now()
  const result = await autocannon({
    url: `http://127.0.0.1:${ask.target.port}${ask.target.prefix ?? ''}/v1/chat/completions`,
    method: 'POST',
    body: promptWith(ask.plan, ask.promptBytes),
    connections: ask.connections,
    duration: ask.seconds,
    sampleInt: ask.seconds < 1 ? SAMPLE_MS : 1_000,
    headers: ask.reconnect ? { ...headers, connection: 'close' } : headers,
  })
  const wrong = ask.refused ? result['2xx'] : result.non2xx
  if (wrong > 0 || result.errors > 0) {
    throw new Error(`${ask.target.name}: ${wrong} wrong answers, ${result.errors} failed`)
  }
  const requests = ask.refused ? result.non2xx : result['2xx']
  return { requests, seconds: (performance.now() - startedAt) / 1_000 }
}

async function throughput(ask: Jobs['throughput']['ask']): Promise<Jobs['throughput']['answer']> {
  const client = new StreamClient(ask.target)
  await once(client.socket, 'connect')
  let bytes = 0
  // Searching so many bytes for stamps would be measured instead of the relay.
  client.socket.removeAllListeners('data')
  const startedAt = performance.now()
  const request = bytesOf(ask.target, ask.plan, ask.promptBytes)
  await new Promise<void>((resolve, reject) => {
    client.socket.on('close', () => reject(new Error(`${ask.target.name}: the stream was cut`)))
    client.socket.on('data', (piece: Buffer) => {
      bytes += piece.length
      if (piece.length >= 5 && piece.toString('latin1', piece.length - 5) === '0\r\n\r\n') resolve()
    })
    client.socket.write(request)
  })
  const seconds = (performance.now() - startedAt) / 1_000
  client.close()
  if (bytes < ask.plan.chunks * ask.plan.bytes)
    throw new Error(`${ask.target.name}: the stream was not whole`)
  return { bytes, seconds }
}

async function hold(ask: Jobs['hold']['ask']): Promise<Jobs['hold']['answer']> {
  const request = bytesOf(ask.target, ask.plan, ask.promptBytes)
  const clients: StreamClient[] = []
  for (let opened = 0; opened < ask.streams; opened += OPENING) {
    const batch = await openAll(ask.target, Math.min(OPENING, ask.streams - opened))
    await Promise.all(
      batch.map(
        (client) =>
          new Promise<void>((resolve, reject) => {
            client.ask(request, { onEvent: () => resolve(), onEnd: resolve, onFailure: reject })
          }),
      ),
    )
    clients.push(...batch)
  }
  send({ mark: 'held' })
  await once(process, 'message')
  for (const client of clients) client.close()
  return { opened: clients.length }
}

function expectEvents(target: Target, events: number, planned: number): void {
  if (events !== planned) throw new Error(`${target.name}: ${events} events came, of ${planned}`)
}

const JOBS: { [Name in JobName]: (ask: Jobs[Name]['ask']) => Promise<Jobs[Name]['answer']> } = {
  sequential,
  paced,
  load,
  answers: askAnswers,
  openLoop: askAtTimes,
  completions: askCompletions,
  together: askTogether,
  burst: (ask) => runBursts(ask, (mark) => send({ mark })),
  throughput,
  hold,
}

process.on('message', (message: JobMessage | 'release') => {
  if (message === 'release') return
  const run = JOBS[message.job] as (ask: unknown) => Promise<Jobs[JobName]['answer']>
  run(message.ask).then(
    (answer) => send({ answer }),
    (error: unknown) => send({ problem: error instanceof Error ? error.message : String(error) }),
  )
})
process.on('disconnect', () => process.exit(0))
// The meter unrefs the channel; this process must stay alive for it.
process.channel?.ref()
send({ mark: 'ready' })
