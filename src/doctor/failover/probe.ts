import { setMaxListeners } from 'node:events'
import { CHAT } from '../arrival.js'
import { type BaseUrl, buildPathUrl } from '../base-url.js'
import { createTinyBody } from '../bodies.js'
import {
  findHeader,
  formatSeconds,
  type HttpResponse,
  isResponse,
  type RequestFailure,
} from '../http-request.js'
import { detectBodyKind, parseBody, quoteBody, readField } from '../quote.js'

/** Set by a front on each response that came by the direct way, or that it made itself there. */
export const DIRECT_MARK = 'x-thinwire-direct'

/**
 * Who made a response. `direct`: it came by the direct way. `front`: it is a page or an error of the front itself.
 * `unmarked`: it is an API's response, but has neither the relay's header nor that of the direct way. `nobody`: there
 * was none.
 */
export type Answerer = 'relay' | 'direct' | 'front' | 'unmarked' | 'nobody'

/**
 * What became of a request. `refused`: its key or its model. `lost`: it got nothing that a healthy way to the provider
 * would have brought.
 */
export type Fate = 'answered' | 'refused' | 'lost'

/** One request of a `Prober`, and what came back. Times are milliseconds of `performance.now()`. */
export interface Probe {
  readonly kind: 'list' | 'chat'
  /** What a relay records of a chat as `tags`; empty for a list. */
  readonly tag: string
  readonly sentMs: number
  readonly endMs: number
  readonly by: Answerer
  readonly fate: Fate
  /** Null without a response. */
  readonly status: number | null
  /** `error.code` of the body. */
  readonly code: string | null
  /** The response was an HTML page. */
  readonly isPage: boolean
  /** There was no response in time, or the doctor stopped waiting. */
  readonly isLate: boolean
  /** What came back, without the key. */
  readonly text: string
}

/** Tells who made a response: the relay sets its phases as `server-timing` on each of its responses. */
export function identifyAnswerer(response: HttpResponse): Answerer {
  if (findHeader(response, DIRECT_MARK) === '1') return 'direct'
  if (/\badmit;dur=/.test(findHeader(response, 'server-timing') ?? '')) return 'relay'
  if (findHeader(response, 'x-thinwire-error') !== undefined) return 'relay'
  const kind = detectBodyKind(response)
  return response.status < 500 && (kind === 'json' || kind === 'error') ? 'unmarked' : 'front'
}

/** Reads `error.code` of a body in OpenAI's form. */
export function readErrorCode(response: HttpResponse): string | null {
  const code = readField(readField(parseBody(response), 'error'), 'code')
  return typeof code === 'string' ? code : null
}

function judgeFate(response: HttpResponse, by: Answerer, code: string | null): Fate {
  const { status } = response
  if (response.end === 'cut') return 'lost'
  if (status === 401 || status === 403 || code === 'direct_not_possible') return 'refused'
  if (by === 'front') return 'lost'
  if (status < 500) return 'answered'
  // What the provider says through a relay would be the same on any way.
  return by === 'relay' && findHeader(response, 'x-thinwire-error') === undefined ? 'answered' : 'lost'
}

/** Describes what became of a request. @param key is left out of the text */
export function describeProbe(
  { kind, tag }: Pick<Probe, 'kind' | 'tag'>,
  sentMs: number,
  outcome: HttpResponse | RequestFailure,
  key: string,
): Probe {
  const endMs = performance.now()
  if (!isResponse(outcome)) {
    const { reason, late } = outcome
    return {
      kind,
      tag,
      sentMs,
      endMs,
      by: 'nobody',
      fate: 'lost',
      status: null,
      code: null,
      isPage: false,
      isLate: late,
      text: reason,
    }
  }
  const by = identifyAnswerer(outcome)
  const code = readErrorCode(outcome)
  const isPage = detectBodyKind(outcome) === 'page'
  const fate = judgeFate(outcome, by, code)
  const { status, end } = outcome
  const text =
    end === 'cut' ? `${status}, cut off` : status < 300 && !isPage ? `${status}` : quoteBody(outcome, key)
  return { kind, tag, sentMs, endMs, by, fate, status, code, isPage, isLate: end === 'late', text }
}

/** How fast requests are sent, and how many. */
export interface ProbePace {
  /** Time between two lists of models, which cost nothing. */
  readonly listEveryMs: number
  /** Time between two chats. */
  readonly chatEveryMs: number
  /** Longest time for one request. */
  readonly timeoutMs: number
  /** A request that is given up earlier, since the phase is over, says nothing: a model may be slow. */
  readonly patienceMs: number
}

/** What a `Prober` needs of a visit. */
export interface ProbeTarget {
  readonly base: BaseUrl
  readonly key: string
  readonly model: string
  /** Makes a tag for one chat, by which the records of the relays are compared. */
  createTag(): string
  send(
    method: string,
    url: URL,
    body: string | null,
    tag: string,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<HttpResponse | RequestFailure>
}

/** More requests without a response are not sent: a front that hangs would gather them. */
const OPEN_MAX = 60

/**
 * Sends cheap requests again and again while something changes: `GET /models` a few times a second, and a bounded
 * number of tiny chats, which the provider bills.
 */
export class Prober {
  /** In the order in which they ended. */
  readonly probes: Probe[] = []
  private readonly target: ProbeTarget
  private readonly pace: ProbePace
  private readonly end = new AbortController()
  private readonly open = new Set<Promise<void>>()
  private chatsLeft: number
  private chatAt = Number.NEGATIVE_INFINITY
  private timer: NodeJS.Timeout | null = null

  /** @param chats how many chats it may send */
  constructor(target: ProbeTarget, pace: ProbePace, chats: number) {
    this.target = target
    this.pace = pace
    this.chatsLeft = chats
    // One for each open request is no leak.
    setMaxListeners(2 * OPEN_MAX, this.end.signal)
  }

  /** @param mayChat whether a chat may be sent now, of which so many are left */
  start(mayChat: (left: number) => boolean): void {
    const beat = (): void => {
      if (this.open.size >= OPEN_MAX) return
      this.begin('list')
      const now = performance.now()
      if (this.chatsLeft === 0 || now - this.chatAt < this.pace.chatEveryMs || !mayChat(this.chatsLeft))
        return
      this.chatAt = now
      this.chatsLeft--
      this.begin('chat')
    }
    this.timer = setInterval(beat, this.pace.listEveryMs)
    beat()
  }

  /** Sends nothing more, waits for the open requests, and gives up those that are late. */
  async stop(graceMs: number): Promise<void> {
    if (this.timer !== null) clearInterval(this.timer)
    this.timer = null
    const timer = setTimeout(() => this.end.abort(), graceMs)
    await Promise.all(this.open)
    clearTimeout(timer)
  }

  /** The last `count` responses to requests of a kind, in the order in which the requests were sent. */
  last(kind: Probe['kind'], count: number): Probe[] {
    const probes = this.probes.filter((probe) => probe.kind === kind).sort((a, b) => a.sentMs - b.sentMs)
    return probes.slice(-count)
  }

  private begin(kind: Probe['kind']): void {
    const { target, pace } = this
    const sentMs = performance.now()
    const [method, path, body] =
      kind === 'list'
        ? (['GET', '/models', null] as const)
        : (['POST', CHAT, createTinyBody(target.model)] as const)
    const tag = kind === 'chat' ? target.createTag() : ''
    const done = target
      .send(method, buildPathUrl(target.base, path), body, tag, pace.timeoutMs, this.end.signal)
      .then((outcome) => {
        const isGivenUp = this.end.signal.aborted && performance.now() - sentMs < pace.patienceMs
        if (!isGivenUp || (isResponse(outcome) && outcome.end !== 'late'))
          this.probes.push(describeProbe({ kind, tag }, sentMs, outcome, target.key))
      })
    this.open.add(done)
    void done.finally(() => this.open.delete(done))
  }
}

/** Describes the slowest of some requests: `2.1 s`. */
export function formatLongest(probes: readonly Probe[]): string {
  return formatSeconds(Math.max(0, ...probes.map(({ sentMs, endMs }) => endMs - sentMs)))
}
