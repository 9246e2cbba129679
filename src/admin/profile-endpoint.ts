import type { IncomingMessage, ServerResponse } from 'node:http'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { isOnThisMachine } from '../access/local.js'
import { findHeader } from '../http/flat-headers.js'
import { readErrorCode } from '../lib/error-code.js'
import { findPeerOwner } from './peer-owner.js'

/** The path, and the header that every request for a profile has: no web page can send it without a preflight. */
export const PROFILE_PATH = '/profile'
export const PROFILE_HEADER = 'x-thinwire-profile'

/** Longest profile, in seconds: its samples are held in memory. */
export const MOST_SECONDS = 60

/** Writes a line to the log. */
interface ProfileLog {
  info(fields: object, text: string): void
}

/** Takes CPU profiles: of this process, or of a worker. */
export interface Profiler {
  /** Whether there is such a worker. A relay in one process is worker 1. */
  has(worker: number): boolean
  /**
   * @returns pieces of a `.cpuprofile`
   * @throws {Error} no profile can be taken, the worker has ended, or `stop` was aborted
   */
  take(options: ProfileWish): Promise<Iterable<string> | AsyncIterable<string>>
}

export interface ProfileWish {
  readonly worker: number
  readonly seconds: number
  /** Called once samples are taken. */
  readonly onSampling: () => void
  /** Ends it at once, without a profile. */
  readonly stop: AbortSignal
}

/** A request for a profile that is refused: the status, and one line that says what to change. */
interface Refused {
  readonly status: number
  readonly why: string
}

/**
 * Responds to `POST /profile?seconds=N&worker=N` with a CPU profile of the relay, or of one of its workers: for
 * programs on this machine alone, and of those only for the relay's own user and root, where the system tells whose
 * they are. One at a time.
 */
export class ProfileEndpoint {
  /** Whether the address itself is on loopback. Set once it is known. */
  isLocal: boolean
  private readonly profiler: Profiler
  private readonly log: ProfileLog
  private readonly stop: AbortController
  private isRunning: boolean

  constructor(profiler: Profiler, log: ProfileLog) {
    this.isLocal = false
    this.profiler = profiler
    this.log = log
    this.stop = new AbortController()
    this.isRunning = false
  }

  async answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    req.resume()
    const refused = this.findRefusal(req) ?? (await this.findStranger(req)) ?? this.findConflict()
    const wish = this.readWish(req.url ?? '')
    if (refused !== null || 'why' in wish) {
      send(res, refused ?? (wish as Refused))
      return
    }
    this.isRunning = true
    try {
      await this.profile(wish, res)
    } catch (error) {
      if (res.headersSent || res.destroyed) res.destroy()
      else send(res, { status: 501, why: `this Node cannot be profiled (${readErrorCode(error)})` })
    } finally {
      this.isRunning = false
    }
  }

  /** Ends a profile that is being taken. */
  close(): void {
    this.stop.abort()
  }

  private async profile(
    { seconds, worker }: Pick<ProfileWish, 'seconds' | 'worker'>,
    res: ServerResponse,
  ): Promise<void> {
    const gone = new AbortController()
    res.once('close', () => gone.abort())
    const stop = AbortSignal.any([gone.signal, this.stop.signal])
    const onSampling = (): void => {
      this.log.info({ seconds }, `a CPU profile of ${seconds} s is taken`)
      // Tells at once that it has begun.
      res.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' }).flushHeaders()
    }
    const pieces = await this.profiler.take({ seconds, worker, onSampling, stop })
    for await (const piece of pieces) {
      if (res.destroyed) return
      if (!res.write(piece)) await new Promise((resolve) => res.once('drain', resolve).once('close', resolve))
      await nextTurn()
    }
    res.end()
  }

  /** @returns a refusal if the query names no profile that can be taken */
  private readWish(url: string): Pick<ProfileWish, 'seconds' | 'worker'> | Refused {
    const query = new URLSearchParams(url.split('?', 2)[1])
    const seconds = readNumber(query.get('seconds'))
    if (seconds < 1 || seconds > MOST_SECONDS)
      return { status: 400, why: `seconds must be a whole number from 1 to ${MOST_SECONDS}` }
    const worker = readNumber(query.get('worker') ?? '1')
    if (this.profiler.has(worker)) return { seconds, worker }
    return {
      status: 404,
      why: 'there is no such worker: the number is that of the label worker in the metrics',
    }
  }

  private findRefusal(req: IncomingMessage): Refused | null {
    const { method, rawHeaders } = req
    if (method !== 'POST') return { status: 405, why: `POST ${PROFILE_PATH}?seconds=10` }
    if (!this.isLocal)
      return {
        status: 403,
        why: 'metrics.listen is not on loopback: there are no profiles at such an address',
      }
    if (!isOnThisMachine(req)) return { status: 403, why: 'profiles are for programs on this machine' }
    const isPage = ['origin', 'sec-fetch-site'].some((name) => findHeader(rawHeaders, name) !== undefined)
    if (isPage || findHeader(rawHeaders, PROFILE_HEADER) === undefined)
      return { status: 403, why: `profiles are not for web pages: the header ${PROFILE_HEADER} is missing` }
    return null
  }

  private async findStranger({ socket }: IncomingMessage): Promise<Refused | null> {
    const isOther = (await findPeerOwner(socket)) === 'other'
    return isOther
      ? { status: 403, why: 'profiles are for the user that runs the relay, and for root' }
      : null
  }

  private findConflict(): Refused | null {
    return this.isRunning ? { status: 409, why: 'another profile is being taken' } : null
  }
}

/** @returns 0 if it is no number of at most three digits */
function readNumber(text: string | null): number {
  return text !== null && /^\d{1,3}$/.test(text) ? Number(text) : 0
}

function send(res: ServerResponse, { status, why }: Refused): void {
  const allow = status === 405 ? { allow: 'POST' } : {}
  res.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', ...allow }).end(`${why}\n`)
}
