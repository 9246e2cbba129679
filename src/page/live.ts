import type { IncomingMessage, ServerResponse } from 'node:http'
import { findHeader } from '../http/flat-headers.js'
import { Pace } from '../rollups/pace.js'
import { narrowSource } from './narrowed-source.js'
import { ApiRefusal, SAFE_HEADERS } from './page-response.js'
import type { PageSession } from './sessions.js'
import type { Now } from './shapes.js'
import { type Look, NO_OPEN, type OpenRequests, type PageSource } from './source.js'

const TICK_MS = 1_000

/**
 * When in each second the clock ticks. The sums take another second for the last one some hundred milliseconds into
 * each (`sumLastSecond`): well behind that, a tick that is early or late leaves no second out.
 */
const TICK_AT_MS = 550

/** Seconds that a viewer who comes back gets again. */
const KEPT_SECONDS = 30

/** All viewers, those of holders, and those of one session. */
const MOST_VIEWERS = 32
const MOST_HOLDERS = 16
const MOST_OF_SESSION = 4

/** A viewer for whom so much waits does not read. */
const MOST_WAITING_BYTES = 512 * 1024

/** Without a message for so long, a comment keeps proxies from closing the connection. */
const HEARTBEAT_MS = 10_000

/** Operators all see the same. */
const OPERATORS = ''

/** Somebody who looks. */
interface Viewer {
  readonly res: ServerResponse
  readonly session: PageSession
  /** `OPERATORS`, or the id of the key. */
  readonly audience: string
  /** Whether the session is there still; asked each second. */
  readonly isAlive: () => boolean
}

/** What an audience was sent in the last seconds. */
interface Kept {
  readonly second: number
  readonly text: string
}

/**
 * The live stream. While somebody looks, one message a second is made for all operators, and one for each key whose
 * holder looks. Nothing waits for a viewer: who does not read is dropped, and comes back with `Last-Event-ID`.
 */
export class LiveStream {
  private readonly source: PageSource
  private readonly viewers: Set<Viewer>
  /** By audience. */
  private readonly kept: Map<string, Kept[]>
  private readonly tickMs: number
  private clock: NodeJS.Timeout | null
  private isGathering: boolean
  /** No stream is opened any more. */
  private isClosed: boolean
  private sentAt: number

  constructor(source: PageSource, tickMs: number = TICK_MS) {
    this.source = source
    this.viewers = new Set()
    this.kept = new Map()
    this.tickMs = tickMs
    this.clock = null
    this.isGathering = false
    this.isClosed = false
    this.sentAt = 0
  }

  get viewerCount(): number {
    return this.viewers.size
  }

  /**
   * Sends a viewer what comes from now on, behind what was missed.
   * @throws {ApiRefusal} if there are too many, or this process is about to end
   */
  open(req: IncomingMessage, res: ServerResponse, session: PageSession, isAlive: () => boolean): void {
    if (this.isClosed) throw new ApiRefusal(503, 'ended', 'this process serves no stream any more: try again')
    this.checkRoom(session)
    res.writeHead(200, {
      ...SAFE_HEADERS,
      // A browser that comes back may find another process.
      connection: 'close',
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      // nginx passes on what it gets, at once.
      'x-accel-buffering': 'no',
    })
    if (req.method === 'HEAD') {
      res.end()
      return
    }
    const audience = session.key?.id ?? OPERATORS
    const viewer = { res, session, audience, isAlive }
    this.viewers.add(viewer)
    res.on('close', () => this.forget(viewer))
    res.on('error', () => this.forget(viewer))
    // It is to stay, however long nothing comes from the other side.
    req.socket.setTimeout(0)
    req.socket.setNoDelay(true)
    const missed = this.findMissed(audience, findHeader(req.rawHeaders, 'last-event-id'))
    res.write(`retry: 2000\n\n${missed}`)
    if (this.clock === null) this.waitForTick()
  }

  /** Ends all streams, for good. */
  close(): void {
    this.isClosed = true
    for (const viewer of [...this.viewers]) {
      this.forget(viewer)
      viewer.res.end()
    }
  }

  private checkRoom({ name, key }: PageSession): void {
    const all = [...this.viewers]
    const isFull =
      all.length >= MOST_VIEWERS ||
      all.filter(({ session }) => session.name === name).length >= MOST_OF_SESSION ||
      (key !== null && all.filter(({ session }) => session.key !== null).length >= MOST_HOLDERS)
    if (isFull)
      throw new ApiRefusal(503, 'too_many_viewers', 'too many look at the live stream: close another one', {
        'retry-after': '10',
      })
  }

  private findMissed(audience: string, lastId: string | undefined): string {
    if (lastId === undefined || !/^\d{1,12}$/.test(lastId)) return ''
    const last = Number(lastId)
    const kept = this.kept.get(audience) ?? []
    const isRecent = createRecency()
    // While nobody looked, nothing was forgotten.
    return kept
      .filter((one) => one.second > last && isRecent(one))
      .map(({ text }) => text)
      .join('')
  }

  private forget(viewer: Viewer): void {
    if (!this.viewers.delete(viewer)) return
    if (this.viewers.size === 0) this.stopClock()
  }

  private stopClock(): void {
    if (this.clock !== null) clearTimeout(this.clock)
    this.clock = null
  }

  private waitForTick(): void {
    const { tickMs } = this
    const ms = tickMs - ((Date.now() + tickMs - (TICK_AT_MS % tickMs)) % tickMs)
    this.clock = setTimeout(() => {
      this.waitForTick()
      void this.tick()
    }, ms).unref()
  }

  private async tick(): Promise<void> {
    this.dropEnded()
    if (this.viewers.size === 0) return
    const now = performance.now()
    if (this.isGathering) {
      // A worker does not answer: the viewers see that the relay is still there.
      if (now - this.sentAt >= HEARTBEAT_MS) this.beat(now)
      return
    }
    this.isGathering = true
    try {
      await this.gather()
    } catch {
      // The next second may bring something again.
      if (now - this.sentAt >= HEARTBEAT_MS) this.beat(now)
    } finally {
      this.isGathering = false
    }
  }

  private async gather(): Promise<void> {
    const audiences = new Map<string, PageSession>()
    for (const { audience, session } of this.viewers) audiences.set(audience, session)
    const keys = [...audiences.keys()].filter((audience) => audience !== OPERATORS)
    const look = await this.source.look({ all: audiences.has(OPERATORS), keys })
    const pace = await Pace.begin()
    for (const [audience, session] of audiences) {
      this.send(audience, this.describe(session, look))
      if (pace.isTimeUp) await pace.rest()
    }
    for (const audience of this.kept.keys()) this.trim(audience)
  }

  private describe({ key }: PageSession, look: Look): Now {
    const source = key === null ? this.source : narrowSource(this.source, key)
    const open: OpenRequests = (key === null ? look.all : look.byKey[key.id]) ?? NO_OPEN
    return { ...source.sums.lastSecond({}), openCount: open.count, open: open.rows }
  }

  private send(audience: string, now: Now): void {
    const second = Math.floor(now.at / 1_000)
    const kept = this.kept.get(audience) ?? []
    // At most one message for each second: the timer may come twice within one.
    if (second <= (kept.at(-1)?.second ?? 0)) return
    const text = `id: ${second}\nevent: now\ndata: ${JSON.stringify(now)}\n\n`
    kept.push({ second, text })
    this.kept.set(audience, kept)
    this.sentAt = performance.now()
    for (const viewer of [...this.viewers]) if (viewer.audience === audience) this.write(viewer, text)
  }

  private beat(now: number): void {
    this.sentAt = now
    for (const viewer of [...this.viewers]) this.write(viewer, ':\n\n')
  }

  private write(viewer: Viewer, text: string): void {
    const { res } = viewer
    if (res.writableLength + (res.socket?.writableLength ?? 0) > MOST_WAITING_BYTES) {
      this.forget(viewer)
      res.destroy()
      return
    }
    res.write(text)
  }

  private trim(audience: string): void {
    const kept = (this.kept.get(audience) ?? []).filter(createRecency())
    if (kept.length === 0) this.kept.delete(audience)
    else this.kept.set(audience, kept)
  }

  /** Sessions end while somebody looks: a key is revoked, the token changes. */
  private dropEnded(): void {
    for (const viewer of [...this.viewers]) {
      if (viewer.isAlive()) continue
      this.forget(viewer)
      viewer.res.end()
    }
  }
}

/** Whether a message is one of the last seconds. */
function createRecency(): (kept: Kept) => boolean {
  const now = Math.floor(Date.now() / 1_000)
  // The clock may have been set back: what is later than now would hold up all that comes.
  return ({ second }) => second > now - KEPT_SECONDS && second <= now + 1
}
