import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { CacheInspection } from '../../../src/app/inspect.js'
import { tcpSocketOf } from '../../../src/lib/tls-parent.js'
import { parseResponses, RawClient, type Response } from '../../support/client.js'
import { randomFrom, SEED } from '../../support/random.js'
import { auth, type LogLine, startRelay, type TestRelay } from '../../support/relay.js'
import { until, wait } from '../../support/until.js'
import { CHUNKED, head, type Received, ScriptedUpstream, SSE, whole } from '../../support/upstream.js'

/** One response that the upstream sent, or began to send. */
interface Answer {
  readonly prompt: string
  readonly status: number
  /** The whole body as it is on the wire. */
  readonly body: Buffer
  readonly completionTokens: number
  /** The framing is complete, whatever the body contains. */
  readonly framed: boolean
  /** The body reports usage. */
  readonly usage: boolean
  /** The response may be cached. */
  readonly good: boolean
  /** The response is compressed: only for requests that accept it. */
  readonly gzip: boolean
}

type Random = () => number

const JSON_TYPE = 'content-type: application/json'
const FIRST_TOKENS = 1_000

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function oneOf<T>(random: Random, values: readonly T[]): T {
  return values[Math.floor(random() * values.length)] as T
}

/** An upstream with random faults that remembers what it sent. */
class Weather {
  readonly answers: Answer[] = []
  private readonly random: Random

  constructor(random: Random) {
    this.random = random
  }

  async answer(request: Received): Promise<void> {
    const { random } = this
    const { prompt, stream } = JSON.parse(request.body.toString()) as { prompt: string; stream: boolean }
    if (random() < 0.5) await wait(random() * 20)
    const kind = random()
    if (kind < 0.04) return reset(request)
    if (kind < 0.08) return request.end()
    if (kind < 0.1) return request.hang()
    if (random() < 0.1) await request.write('HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n')
    if (kind < 0.18) return this.refuse(request, prompt)
    await this.give(request, prompt, stream)
  }

  private async refuse(request: Received, prompt: string): Promise<void> {
    const status = oneOf(this.random, ['204 No Content', '304 Not Modified', '500 Broken', '429 Too Many'])
    const bodiless = status[0] !== '5' && status[0] !== '4'
    const answer = this.note(prompt, Number(status.slice(0, 3)), (n) => ({
      body: Buffer.from(bodiless ? '' : `{"error":{"code":"${n}"}}`),
      framed: true,
      good: false,
      usage: false,
      gzip: false,
    }))
    if (bodiless) await request.write(head(status, 'x-up: 1'))
    else await request.write(whole(status, answer.body, JSON_TYPE))
  }

  private async give(request: Received, prompt: string, stream: boolean): Promise<void> {
    const { random } = this
    const fault = oneOf(random, ['none', 'none', 'none', 'none', 'cut', 'reset', 'hang', 'error', 'early'])
    const words = Array.from({ length: 1 + Math.floor(random() * 6) }, () =>
      'word '.repeat(random() < 0.1 ? 30_000 : 1 + random() * 20),
    )
    const gzip = request.header('accept-encoding') === 'gzip' && random() < 0.8
    const answer = this.note(prompt, 200, (n) => {
      const text = stream ? streamOf(n, words, fault) : parseBody(n, words, fault)
      const body = gzip ? gzipSync(text) : Buffer.from(text)
      const broken = fault === 'cut' || fault === 'reset' || fault === 'hang'
      return {
        body,
        usage: !broken && fault !== 'error' && fault !== 'early',
        framed: !broken,
        good: fault === 'none',
        gzip,
      }
    })
    const headers = [stream ? SSE : JSON_TYPE, `x-request-id: ${answer.completionTokens}`]
    if (gzip) headers.push('content-encoding: gzip')
    const framing = oneOf(random, ['chunked', 'chunked', 'length', 'close'])
    const { body } = answer
    const end = answer.framed ? body.length : Math.floor(random() * body.length)
    // A body that ends with its connection can show neither a cut nor a reset that follows a FIN.
    const isClosed = framing === 'close' && fault !== 'cut' && fault !== 'reset'
    if (framing === 'length') headers.push(`content-length: ${body.length}`)
    else if (!isClosed) headers.push(CHUNKED)
    await request.write(head('200 OK', ...headers))
    for (let at = 0; at < end && !request.closed; ) {
      const next = Math.min(end, at + Math.ceil(random() * (random() < 0.2 ? end : 400)) + (end >> 4))
      const piece = body.subarray(at, next)
      if (framing === 'length' || isClosed) await request.write(piece)
      else await request.write(odd(random, piece))
      if (random() < 0.4) await wait(random() * 8)
      at = next
    }
    if (fault === 'hang') return request.hang()
    if (fault === 'reset') return reset(request)
    if (fault === 'cut') return request.end()
    if (framing === 'chunked' || (framing === 'close' && !isClosed)) {
      if (random() < 0.3) await wait(random() * 30)
      await request.write(random() < 0.3 ? '0\r\nx-trailer: 1\r\n\r\n' : '0\r\n\r\n')
    }
    if (isClosed) request.end()
  }

  private note(
    prompt: string,
    status: number,
    make: (n: number) => Pick<Answer, 'body' | 'framed' | 'good' | 'gzip' | 'usage'>,
  ): Answer {
    const completionTokens = FIRST_TOKENS + this.answers.length
    const answer: Answer = { prompt, status, completionTokens, ...make(completionTokens) }
    this.answers.push(answer)
    return answer
  }
}

/** Node never closes a handle that is reset during its shutdown, and then the process does not exit. */
function reset(request: Received): void {
  if (request.socket.writableEnded) request.destroy()
  else request.socket.resetAndDestroy().destroy()
}

function streamOf(n: number, words: readonly string[], fault: string): string {
  const events = words.map((text) => `data: {"id":"${n}","choices":[{"text":"${text}","index":0}]}\n\n`)
  if (fault === 'error') events.push('data: {"error":{"code":"overloaded"}}\n\n')
  if (fault === 'early') return events.join('')
  events.push(`data: {"id":"${n}","choices":[],"usage":${usage(n)}}\n\n`, 'data: [DONE]\n\n')
  return events.join('')
}

function parseBody(n: number, words: readonly string[], fault: string): string {
  if (fault === 'error') return `{"id":"${n}","error":{"code":"overloaded"}}`
  const text = `{"id":"${n}","choices":[{"text":"${words.join('')}"}],"usage":${usage(n)}}`
  return fault === 'early' ? text.slice(0, -2) : text
}

function usage(n: number): string {
  return `{"prompt_tokens":1,"completion_tokens":${n}}`
}

/** A chunk whose size line may have zeros and an extension (RFC 9112, 7.1). */
function odd(random: Random, piece: Buffer): Buffer {
  const size =
    random() < 0.3 ? `000${piece.length.toString(16).toUpperCase()};x=y` : piece.length.toString(16)
  return Buffer.concat([Buffer.from(`${size}\r\n`), piece, Buffer.from('\r\n')])
}

/** Sends one or more requests on one connection, one after the other or pipelined. */
class Caller {
  /** Number of complete responses. */
  whole = 0
  asked = 0
  /** Number of complete responses that were compressed and either joined or cached. */
  sharedGzip = 0
  private readonly relay: TestRelay
  private readonly random: Random
  private readonly keys: readonly string[]

  constructor(relay: TestRelay, random: Random, keys: readonly string[]) {
    this.relay = relay
    this.random = random
    this.keys = keys
  }

  async call(answers: readonly Answer[]): Promise<void> {
    const { random } = this
    const client = await RawClient.connect(this.relay.port)
    const old = random() < 0.15
    const count = old ? 1 : oneOf(random, [1, 1, 1, 2, 3])
    const prompts = Array.from({ length: count }, () => this.prompt())
    const gzips = prompts.map(() => random() < 0.3)
    const leaves = random() < 0.4
    const end = leaves ? wait(random() * 60) : new Promise<never>(() => {})
    const slow = random() < 0.1
    if (slow) {
      client.pause()
      setTimeout(() => client.resume(), random() * 120)
    }
    const serve = async (): Promise<void> => {
      const pipelined = random() < 0.4
      for (const [i, prompt] of prompts.entries()) {
        const message = this.message(prompt, old, gzips[i] === true)
        const cut = random() < 0.2 ? Math.floor(random() * message.length) : 0
        if (cut > 0) {
          client.send(message.slice(0, cut))
          await wait(random() * 5)
        }
        client.send(message.slice(cut))
        this.asked++
        if (!pipelined) await until(() => client.ending !== null || readAll(client).length > i, 'an answer')
      }
      await until(() => client.ending !== null || readAll(client).length >= prompts.length, 'all answers')
    }
    await Promise.race([
      serve().catch((error: unknown) => (client.ending === null ? Promise.reject(error) : null)),
      end,
    ])
    const responses = parseResponses(client.bytes, client.ending === 'fin')
    for (const [i, response] of responses.entries()) {
      this.judge(response, prompts[i] as string, gzips[i] === true, answers)
    }
    if (!leaves && client.ending === null)
      assert.is(readAll(client).length, prompts.length, 'an answer never came')
    if (random() < 0.5 || client.ending !== null) client.destroy()
    else tcpSocketOf(client.socket).resetAndDestroy().destroy()
  }

  private prompt(): string {
    const { random } = this
    const name = `${Math.floor(random() * random() * 8)}`
    return JSON.stringify({ model: 'm', prompt: name, stream: random() < 0.6 })
  }

  private message(body: string, old: boolean, gzip: boolean): string {
    const { random } = this
    let headers = `host: relay\r\nauthorization: Bearer ${oneOf(random, this.keys)}\r\n`
    if (gzip) headers += 'accept-encoding: gzip\r\n'
    if (random() < 0.1) headers += 'x-thinwire-cache: off\r\n'
    return `POST /v1/completions HTTP/1.${old ? 0 : 1}\r\n${headers}content-length: ${body.length}\r\n\r\n${body}`
  }

  private judge(response: Response, prompt: string, gzip: boolean, answers: readonly Answer[]): void {
    const { status, body } = response
    // Node reports a clean end for a reset that arrives with the last bytes or while nothing is read.
    const complete = response.complete && (framed(response) || status === 204 || status === 304)
    const cache = response.header('x-thinwire-cache')
    if (response.header('x-thinwire-error') !== undefined) {
      assert.ok(status >= 400, String(status))
      return
    }
    const { prompt: name } = JSON.parse(prompt) as { prompt: string }
    assert.ok(cache !== undefined && ['miss', 'hit', 'joined', 'off'].includes(cache), cache)
    const isGzip = response.header('content-encoding') === 'gzip'
    assert.ok(gzip || !isGzip, `${cache}: compressed although the request does not accept it`)
    const mine = answers.filter(
      (answer) => answer.prompt === name && answer.status === status && answer.gzip === isGzip,
    )
    if (!complete) {
      const begun = mine.some((answer) => answer.body.subarray(0, body.length).equals(body))
      assert.ok(begun, `the part that arrived for ${prompt} is the beginning of no response: ${body}`)
      return
    }
    this.whole++
    if (isGzip && cache !== 'miss' && cache !== 'off') this.sharedGzip++
    const found = mine.find((answer) => answer.framed && answer.body.equals(body))
    assert.ok(
      found,
      `${cache} ${status} for ${prompt} is no complete response: ${body.toString('latin1', 0, 300)}`,
    )
    if (cache !== 'hit') return
    assert.ok(found.good, `cached: ${body}`)
    assert.ok(Number(response.header('age')) <= 1)
  }
}

function readAll(client: RawClient): Response[] {
  return parseResponses(client.bytes, client.ending === 'fin').filter((response) => response.complete)
}

function cacheOf(relay: TestRelay): CacheInspection {
  return relay.inspect().cache as CacheInspection
}

function framed(response: Response): boolean {
  return response.header('content-length') !== undefined || response.header('transfer-encoding') !== undefined
}

/** Each request has one record, and the usage of each upstream response is in one of them. */
function checkRecords(
  records: readonly LogLine[],
  lines: readonly LogLine[],
  answers: readonly Answer[],
): void {
  assert.is(records.length, lines.length)
  const answered = new Map(lines.map((line) => [line.id, line.upstream_request_id]))
  const ids = records.map((record) => record.id)
  assert.is(new Set(ids).size, ids.length)
  let done = 0
  const counted = new Map<unknown, number>()
  for (const record of records) {
    const { id, cache, usage_source, completion_tokens, saved_tokens, end, status } = record
    if (cache === 'hit' || cache === 'joined') {
      assert.equal([usage_source, completion_tokens, record.cost_usd], ['cache', 0, 0])
      if (cache === 'hit') assert.ok(Number(saved_tokens) > FIRST_TOKENS)
    } else if (usage_source === 'upstream')
      counted.set(completion_tokens, (counted.get(completion_tokens) ?? 0) + 1)
    if ((cache === 'miss' || cache === 'off') && end === 'done' && status === 200) {
      const answer = answers[Number(answered.get(id)) - FIRST_TOKENS] as Answer
      if (answer.usage) assert.is(completion_tokens, answer.completionTokens)
      done++
    }
    assert.not(['crashed', 'local'].includes(String(end)), String(end))
  }
  for (const [tokens, times] of counted) assert.is(times, 1, `${tokens} was counted ${times} times`)
  assert.ok(done > LEAST, `${done} responses were billed`)
}

const LEAST = 20

/** The response came from an upstream. */
function isAnswered({ attempts, end, status }: LogLine): boolean {
  return Number(attempts) > 0 && end === 'done' && status === 200
}

const SETTINGS = {
  timeouts: { firstByteMs: 400, idleMs: 400, clientStallMs: 2_000, upstreamKeepAliveMs: 200 },
  ledger: { flushMs: 10 },
}

/** Sum over all runs: with a lifetime of 40 ms a single run may have none. */
let sharedGzip = 0

for (const [seed, cache] of [
  [SEED, { ttlMs: 150 }],
  [SEED + 1, { ttlMs: 150, entryBytes: 2_000 }],
  [SEED + 2, { ttlMs: 40, bytes: 65_536 }],
] as const) {
  test(`clients that join and leave at any time get a complete response or a visible failure (${JSON.stringify(cache)})`, async () => {
    const random = randomFrom(seed)
    const weather = new Weather(random)
    const upstream = await ScriptedUpstream.start((request) => weather.answer(request))
    const relay = await startRelay(upstream.url, { ...SETTINGS, cache })
    const other = relay.addKey('team2')
    const held = new Set<WeakRef<object>>()
    let most = 0
    const watching = setInterval(() => {
      const { openResponses, bytes } = cacheOf(relay)
      most = Math.max(most, openResponses.length)
      assert.ok(bytes <= relay.config.cache.bytes)
      for (const response of openResponses) held.add(response)
    }, 5)
    const caller = new Caller(relay, random, [relay.key, other])
    const isEnough = (): boolean =>
      relay.lines.filter(isAnswered).length > LEAST && (caller.sharedGzip > 0 || cache.ttlMs < 100)
    const loop = async (): Promise<void> => {
      for (let i = 0; i < 6; i++) await caller.call(weather.answers)
    }
    await Promise.all(Array.from({ length: 40 }, loop))
    // How many responses are billed and shared depends on the machine's speed: a slow one needs more requests.
    for (let i = 0; i < 200 && !isEnough(); i++) {
      await Promise.all([caller.call(weather.answers), caller.call(weather.answers)])
    }
    clearInterval(watching)
    sharedGzip += caller.sharedGzip
    await until(() => relay.inspect().isIdle, 'every exchange to be settled')
    await until(() => cacheOf(relay).openResponses.length === 0, 'every shared response to end')
    await until(() => upstream.sockets.size === 0, 'every upstream connection to close')
    assert.is(relay.inspect().bufferedBytes, 0)
    relay.app.flush()
    const lines = await relay.requests(1)
    checkRecords(await relay.records(lines.length), lines, weather.answers)
    const alive = (): number => [...held].filter((ref) => ref.deref() !== undefined).length
    await until(() => {
      collect()
      return alive() <= 1
    }, `shared responses to be collected; ${alive()} of ${held.size} are held`)
    await relay.close()
    await upstream.close()
  })
}

test('compressed responses were shared in the runs before', () => {
  assert.ok(sharedGzip > 0, 'no compressed response was shared')
})

test('requests with long queries stay within cache.bytes', async () => {
  const upstream = await ScriptedUpstream.start((request) =>
    request.write(whole('200 OK', parseBody(1, ['x'.repeat(300)], 'none'), JSON_TYPE)),
  )
  const relay = await startRelay(upstream.url, { cache: { bytes: 1_000_000 } })
  const client = await relay.client()
  for (let i = 0; i < 150; i++) {
    const query = '?x='.padEnd(20_000, `${i},`)
    client.send(
      `POST /v1/completions${query} HTTP/1.1\r\n${auth(relay)}content-length: 14\r\n\r\n{"prompt":"x"}`,
    )
    await client.until(() => readAll(client).length > 0, 'an answer')
    client.pieces.length = 0
    const { bytes, openResponses } = cacheOf(relay)
    assert.is(openResponses.length, 0)
    assert.ok(bytes >= Math.min(i + 1, 40) * 20_000 && bytes <= 1_000_000, `${bytes} after ${i}`)
  }
  client.destroy()
  await relay.close()
  await upstream.close()
})

test.run()
