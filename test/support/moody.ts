import type { Socket } from 'node:net'
import { resetSocket } from '../../src/relay/reset.js'
import { randomFrom } from './random.js'
import { until, wait } from './until.js'
import { CHUNKED, head, type Received, ScriptedUpstream, SSE, whole } from './upstream.js'

/** What an upstream does with a request, and how often of so many. */
const MOODS = {
  json: 22,
  stream: 22,
  'slow json': 6,
  'slow stream': 6,
  cut: 3,
  reset: 5,
  close: 3,
  'half a head': 2,
  garbage: 2,
  stall: 2,
  silence: 2,
  'silent death': 3,
  'reset within the upload': 5,
  'refusal within the upload': 4,
  '500': 5,
  '503': 3,
  '529': 2,
  '429': 4,
  'slow 500': 2,
  'endless 500': 1,
  '401': 2,
  '402': 2,
  'slow 403': 2,
  'no deployment': 2,
  'no quota': 2,
  'error first': 3,
  'error behind a ping': 3,
  'error in JSON': 2,
  nothing: 2,
  'HTML 502': 3,
  'reset after the head': 2,
  'cut json': 2,
  'slow 429': 2,
}

/** What it does with a request that has one of several keys: no failure of the host, as that is the same for each. */
const KEY_MOODS: Partial<Record<Mood, number>> = {
  json: 20,
  stream: 20,
  'slow json': 4,
  '401': 8,
  '402': 4,
  'slow 403': 5,
  'no quota': 8,
  'no deployment': 3,
  '429': 8,
  'slow 429': 3,
  '500': 4,
  '529': 3,
  'error first': 3,
}

export type Mood = keyof typeof MOODS

/** Those in which it answers well. */
export const GOOD: ReadonlySet<Mood> = new Set(['json', 'stream', 'slow json', 'slow stream'])

/** Those in which it refuses the account: it has not acted on the request. */
export const REFUSING: ReadonlySet<Mood> = new Set(['401', '402', 'slow 403', 'no deployment', 'no quota'])

/** Those in which it is too busy for one key: another one may be tried at once. */
export const BUSY: ReadonlySet<Mood> = new Set(['429', 'slow 429'])

/** Those in which an error comes with status 200. */
export const FAILING_200: ReadonlySet<Mood> = new Set(['error first', 'error behind a ping', 'error in JSON'])

/** Those in which its answer, or what looks like one, breaks off where no other target is left to be asked. */
export const BREAKING: ReadonlySet<Mood> = new Set([
  'cut',
  'cut json',
  'silence',
  'silent death',
  'reset after the head',
  'endless 500',
])

/** Those in which it answers well, and breaks off. */
export const CUTTING: ReadonlySet<Mood> = new Set(['cut', 'cut json'])

/** The header that tells which request it is. */
export const NUMBER = 'x-number'

/** Error bodies name their upstream and their request, too. */
export function errorFor(name: string, number: number, mood: Mood = '500'): string {
  const code = CODES[mood]
  if (mood === 'HTML 502') return `<html>Bad gateway {"from":"${name}","number":${number}}</html>`
  const error = { message: 'not now', from: name, number, ...(code === undefined ? {} : { code }) }
  return JSON.stringify({ error })
}

const CODES: Partial<Record<Mood, string>> = {
  'no deployment': 'DeploymentNotFound',
  'no quota': 'insufficient_quota',
  'error first': 'server_error',
  'error behind a ping': 'server_error',
  'error in JSON': 'server_error',
}

/** All that an upstream says to a request in a good mood: it names both, again and again. */
export function answerFor(name: string, number: number, mood: Mood): string {
  if (mood === 'error in JSON') return errorFor(name, number, mood)
  if (FAILING_200.has(mood))
    return `${mood === 'error first' ? '' : ': wait\n\n'}data: ${errorFor(name, number, mood)}\n\n`
  const length = 1 + (number % 7)
  if (!mood.endsWith('stream') && mood !== 'cut')
    return JSON.stringify({ from: name, number, text: `${name}${number} `.repeat(50 * length) })
  const opening = number % 3 === 0 ? ': wait\n\n' : ''
  return `${opening}${eventsFor(name, number, length).join('')}data: [DONE]\n\n`
}

function eventsFor(name: string, number: number, length: number): string[] {
  return Array.from({ length }, (_, i) => `data: ${JSON.stringify({ from: name, number, event: i })}\n\n`)
}

/** Counts the requests that come, so that it is known which came last. */
let arrivals = 0

/** An upstream whose mood is another one with each request, but always the same with the same request. */
export class MoodyUpstream {
  readonly name: string
  readonly server: ScriptedUpstream
  /** How often each request was begun to be made. */
  readonly asked: Map<number, number>
  /** When each request last came: a number that counts up over all upstreams. */
  readonly lastAsked: Map<number, number>
  private readonly moods: readonly (readonly [Mood, number])[]
  private readonly seed: number
  /** Connections on which a part of a request has come. */
  private readonly arriving: Set<Socket>
  /** Those on which it was refused before it was whole. */
  private readonly refused: WeakSet<Socket>
  /** Those that have carried an answer, and wait for another request. */
  private readonly kept: Set<Socket>

  private constructor(
    name: string,
    seed: number,
    server: ScriptedUpstream,
    moods: Partial<Record<Mood, number>>,
  ) {
    this.name = name
    this.server = server
    this.asked = new Map()
    this.lastAsked = new Map()
    this.moods = Object.entries(moods) as [Mood, number][]
    this.seed = seed
    this.arriving = new Set()
    this.refused = new WeakSet()
    this.kept = new Set()
  }

  static async start(name: string, seed: number): Promise<MoodyUpstream> {
    const server = await ScriptedUpstream.start(
      (request) => upstream.onRequest(request),
      (bytes, socket) => upstream.onArriving(bytes, socket),
    )
    const upstream = new MoodyUpstream(name, seed, server, MOODS)
    return upstream
  }

  /**
   * Starts one upstream that has other moods for each of its keys.
   * @param names of the keys, one letter each; the credential of a key is `sk-NAME-`, and anything
   * @returns one for each key, all on one server
   */
  static async startWithKeys(names: readonly string[], seed: number): Promise<MoodyUpstream[]> {
    const find = (credential: string | undefined): MoodyUpstream => {
      const name = /sk-(\w)-/.exec(credential ?? '')?.[1]
      const found = upstreams.find((upstream) => upstream.name === name)
      if (found === undefined) throw new Error('a request has none of the keys')
      return found
    }
    const server = await ScriptedUpstream.start(
      (request) => find(request.header('authorization')).onRequest(request),
      (bytes, socket) => {
        const end = bytes.indexOf('\r\n\r\n')
        if (end !== -1) find(bytes.toString('latin1', 0, end)).onArriving(bytes, socket)
      },
    )
    const upstreams = names.map((name, i) => new MoodyUpstream(name, seed + i, server, KEY_MOODS))
    return upstreams
  }

  moodFor(number: number): Mood {
    const { moods } = this
    let left =
      randomFrom(this.seed * 31 + number * 7919)() * moods.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [mood, weight] of moods) {
      left -= weight
      if (left < 0) return mood
    }
    return 'json'
  }

  /** Resets a connection that is kept and not used, as an upstream does that has no more patience. */
  resetKept(random: () => number): void {
    const kept = [...this.kept]
    const socket = kept[Math.floor(random() * kept.length)]
    if (socket !== undefined) resetSocket(socket)
  }

  private onArriving(bytes: Buffer, socket: Socket): void {
    const number = Number(/^x-number: (\d+)\r$/im.exec(bytes.toString('latin1', 0, 4_000))?.[1] ?? -1)
    if (number === -1 || this.arriving.has(socket)) return
    this.kept.delete(socket)
    this.arriving.add(socket)
    socket.once('close', () => this.arriving.delete(socket))
    this.count(number)
    const mood = this.moodFor(number)
    if (mood === 'reset within the upload') resetSocket(socket)
    if (mood !== 'refusal within the upload') return
    this.refused.add(socket)
    socket.write(whole('503 Busy', errorFor(this.name, number), 'connection: close'))
  }

  private async onRequest(request: Received): Promise<void> {
    const { socket } = request
    const number = Number(request.header(NUMBER))
    if (!this.arriving.delete(socket)) this.count(number)
    this.kept.delete(socket)
    if (!this.refused.has(socket)) await this.answer(request, number, this.moodFor(number))
    if (request.closed) return
    this.kept.add(socket)
    socket.once('close', () => this.kept.delete(socket))
  }

  private count(number: number): void {
    arrivals++
    this.lastAsked.set(number, arrivals)
    this.asked.set(number, (this.asked.get(number) ?? 0) + 1)
  }

  private async answer(request: Received, number: number, mood: Mood): Promise<void> {
    const { name } = this
    const json = 'content-type: application/json'
    switch (mood) {
      case 'slow json':
      case 'json':
        if (mood === 'slow json') await wait(60 + (number % 60))
        return request.write(whole('200 OK', answerFor(name, number, mood), json))
      case 'slow stream':
      case 'stream':
      case 'cut': {
        if (mood === 'slow stream') await wait(60 + (number % 60))
        await request.write(head('200 OK', SSE, CHUNKED))
        const text = answerFor(name, number, mood)
        const size = 11 + (number % 90)
        const end = mood === 'cut' ? text.length >> 1 : text.length
        for (let from = 0; from < end && !request.closed; from += size) {
          await request.chunk(text.slice(from, Math.min(end, from + size)))
          if (from % 4 === 0) await wait(number % 5)
        }
        return mood === 'cut' ? request.reset() : request.lastChunk()
      }
      case 'close':
        return request.end()
      case 'half a head':
        await request.write('HTTP/1.1 200 O')
        return request.destroy()
      case 'garbage':
        return request.write('SSH-2.0-x\r\n\r\n')
      case 'stall':
        return request.hang()
      case 'silence':
      case 'silent death':
        await request.write(head('200 OK', SSE, CHUNKED))
        await request.chunk(': wait\n\n')
        if (mood === 'silence') return request.hang()
        await wait(number % 20)
        return request.reset()
      case '500':
      case '503':
      case '529':
        return request.write(whole(`${mood} Oops`, errorFor(name, number), json))
      case 'HTML 502':
        return request.write(whole('502 Oops', errorFor(name, number, mood), 'content-type: text/html'))
      case 'reset after the head':
        await request.write(head('200 OK', number % 2 === 0 ? SSE : json, CHUNKED))
        return request.reset()
      case 'cut json': {
        const text = answerFor(name, number, mood)
        await request.write(head('200 OK', json, `content-length: ${text.length}`))
        await request.write(text.slice(0, text.length >> 1))
        await wait(number % 5)
        return request.reset()
      }
      case '429':
        return request.write(whole('429 Later', errorFor(name, number), json, 'retry-after-ms: 30'))
      case '401':
      case '402':
        return request.write(whole(`${mood} No`, errorFor(name, number), json))
      case 'no deployment':
        return request.write(whole('404 None', errorFor(name, number, mood), json))
      case 'no quota':
        return request.write(whole('429 None', errorFor(name, number, mood), json))
      case 'error in JSON':
        return request.write(whole('200 OK', answerFor(name, number, mood), json))
      case 'error first':
      case 'error behind a ping':
      case 'nothing':
        await request.write(head('200 OK', SSE, CHUNKED))
        if (mood !== 'nothing') await request.chunk(answerFor(name, number, mood))
        return request.lastChunk()
      case 'slow 403':
      case 'slow 429':
      case 'slow 500': {
        const body = errorFor(name, number)
        const later = mood === 'slow 429' ? ['retry-after-ms: 30'] : []
        await request.write(head(`${mood.slice(5)} Oops`, json, `content-length: ${body.length}`, ...later))
        for (let from = 0; from < body.length; from += 10) {
          await wait(5)
          await request.write(body.slice(from, from + 10))
        }
        return
      }
      case 'endless 500':
        await request.write(head('500 Oops', json, CHUNKED))
        for (let i = 0; i < 30 && !request.closed; i++) {
          await request.chunk(' ')
          await wait(50)
        }
        return request.hang()
      default:
        // Within the upload, if it came in pieces.
        if (mood === 'refusal within the upload')
          return request.write(whole('503 Busy', errorFor(name, number)))
        return request.reset()
    }
  }

  async close(): Promise<void> {
    await this.server.close()
    await until(() => this.server.openSockets === 0, 'its connections to close')
  }
}
