import type { IncomingMessage, ServerResponse } from 'node:http'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { isOnThisMachine } from '../access/local.js'
import { findHeader } from '../http/flat-headers.js'
import { readErrorCode } from '../lib/error-code.js'
import type { RequestCounter } from './cpu-profiler.js'
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

/** A request for a profile that is refused: the status, and one line that says what to change. */
interface Refused {
  readonly status: number
  readonly why: string
}

/**
 * Responds to `POST /profile?seconds=N` with a CPU profile of the relay: for programs on this machine alone, and of
 * those only for the relay's own user and root, where the system tells whose they are. One at a time.
 */
export class ProfileEndpoint {
  /** Whether the address itself is on loopback. Set once it is known. */
  isLocal: boolean
  private readonly counter: RequestCounter
  private readonly log: ProfileLog
  private readonly stop: AbortController
  private isRunning: boolean

  constructor(counter: RequestCounter, log: ProfileLog) {
    this.isLocal = false
    this.counter = counter
    this.log = log
    this.stop = new AbortController()
    this.isRunning = false
  }

  async answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    req.resume()
    const refused = this.findRefusal(req) ?? (await this.findStranger(req)) ?? this.findConflict()
    const seconds = readSeconds(req.url ?? '')
    if (refused !== null || seconds === null) {
      send(res, refused ?? { status: 400, why: `seconds must be a whole number from 1 to ${MOST_SECONDS}` })
      return
    }
    this.isRunning = true
    try {
      await this.profile(seconds, res)
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

  private async profile(seconds: number, res: ServerResponse): Promise<void> {
    // Loaded only where it is used: it makes every start slower.
    const { takeProfile } = await import('./cpu-profiler.js')
    const gone = new AbortController()
    res.once('close', () => gone.abort())
    const stop = AbortSignal.any([gone.signal, this.stop.signal])
    const onSampling = (): void => {
      this.log.info({ seconds }, `a CPU profile of ${seconds} s is taken`)
      // Tells at once that it has begun.
      res.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' }).flushHeaders()
    }
    const pieces = await takeProfile({ seconds, counter: this.counter, onSampling, stop })
    for (const piece of pieces) {
      if (res.destroyed) return
      if (!res.write(piece)) await new Promise((resolve) => res.once('drain', resolve).once('close', resolve))
      await nextTurn()
    }
    res.end()
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

/** @returns null if the query has no such number */
function readSeconds(url: string): number | null {
  const text = new URLSearchParams(url.split('?', 2)[1]).get('seconds') ?? ''
  const seconds = /^\d{1,2}$/.test(text) ? Number(text) : 0
  return seconds >= 1 && seconds <= MOST_SECONDS ? seconds : null
}

function send(res: ServerResponse, { status, why }: Refused): void {
  const allow = status === 405 ? { allow: 'POST' } : {}
  res.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', ...allow }).end(`${why}\n`)
}
