import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ListenPlace } from '../config/listen.js'
import { bindServer } from '../lib/bind-server.js'
import { ignore } from '../lib/ignore.js'
import { findListeningHandle, type ListeningHandle } from '../lib/listening-handle.js'
import type { Log } from '../observe/log.js'
import type { Assets } from './assets.js'
import { LiveStream } from './live.js'
import { OperatorToken } from './operator-token.js'
import { ApiRefusal, createError, type PageResponse, ResponseWriter } from './page-response.js'
import { PageRoutes } from './page-routes.js'
import { type SentSession, Sessions } from './sessions.js'
import { SignIn } from './sign-in.js'
import type { PageSource } from './source.js'

/** What the config says of the page, and may say otherwise while the relay runs. */
export interface PageSettings {
  /** Null: only a printed token lets operators in. */
  readonly token: string | null
  /** Names by which browsers may call the page, besides IP addresses and `localhost`. */
  readonly hosts: readonly string[]
}

/** Another process, which is told who is signed in here. */
export interface SignedInHeir {
  /** @param token fingerprint of that of the config, with which operators have signed in; null if there is none */
  takeSessions(token: string | null, sessions: readonly SentSession[]): void
  endSession(id: string): void
}

export interface PageServerParts {
  readonly source: PageSource
  /** Null: the build has not made them; the API is there all the same. */
  readonly assets: Assets | null
  readonly settings: PageSettings
  /** Their `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[]
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>
  /** Milliseconds between two messages of the live stream. */
  readonly tickMs?: number
}

/** Operators and holders of keys are few, and each browser has six connections at most. */
const MOST_CONNECTIONS = 256

/** Milliseconds between two lines about connections for which there is no room. */
const DROP_LOG_MS = 60_000

/** A connection on which nothing moves for so long is closed; milliseconds. */
const QUIET_MS = 30_000

/**
 * The page of the operators, at an address of its own. Everything that a client of the relay has sent is text here: it
 * goes out as JSON, and never as a part of a page.
 */
export class PageServer {
  private readonly log: PageServerParts['log']
  private readonly http: Server
  private readonly token: OperatorToken
  private readonly sessions: Sessions
  private readonly signIn: SignIn
  private readonly live: LiveStream
  private readonly routes: PageRoutes
  private readonly writer: ResponseWriter
  /** Another process has taken over: what is answered here is the last response of its connection. */
  private isRetired: boolean
  /** `performance.now()` of the last line about a connection for which there was no room. */
  private droppedAt: number

  constructor({ source, assets, settings, trustedProxies, log, tickMs }: PageServerParts) {
    const { keys } = source
    this.log = log
    this.token = new OperatorToken(settings.token)
    this.sessions = new Sessions({ findKey: (hash) => keys?.find(hash) })
    const { sessions, token } = this
    this.signIn = new SignIn({ sessions, token, keys, trustedProxies, log })
    this.live = new LiveStream(source, tickMs)
    const { signIn, live } = this
    this.routes = new PageRoutes({ source, assets, signIn, live, log }, settings.hosts)
    this.writer = new ResponseWriter()
    this.isRetired = false
    this.droppedAt = Number.NEGATIVE_INFINITY
    this.http = createServer(
      {
        requestTimeout: 10_000,
        headersTimeout: 5_000,
        // Node looks whether one of these is over only so often.
        connectionsCheckingInterval: 5_000,
        keepAliveTimeout: 15_000,
        maxHeaderSize: 16_384,
      },
      (req, res) => void this.respond(req, res),
    )
    this.http.maxConnections = MOST_CONNECTIONS
    // Else Node leaves those behind the first 2,000 out, and nobody sees a second Host.
    this.http.maxHeadersCount = 0
    this.http.setTimeout(QUIET_MS)
    this.http.on('drop', () => this.onDrop())
    this.http.on('upgrade', (_, socket) => socket.destroy())
    this.http.on('checkContinue', (req: IncomingMessage, res: ServerResponse) => void this.respond(req, res))
  }

  /**
   * Starts to listen.
   * @returns the address, with the port that was chosen for port 0
   * @throws the error of `listen`: EADDRINUSE, EACCES, EADDRNOTAVAIL
   */
  async listen(place: ListenPlace): Promise<AddressInfo> {
    const address = await bindServer(this.http, place)
    this.http.on('error', ignore)
    this.signIn.cookieName = `thinwire_${address.port}`
    return address
  }

  /**
   * Makes a token that is good for one sign-in.
   * @param onSpent called once when it is good for nothing any more
   */
  printToken(onSpent: () => void = ignore): string {
    return this.token.print(onSpent)
  }

  /** Follows another config. Operators have to sign in again if their token is another one. */
  reconfigure({ token, hosts }: PageSettings): void {
    this.routes.setHosts(hosts)
    if (this.token.follow(token)) this.sessions.endOperators()
  }

  /** From now on, another process is told who is signed in; null: none is. */
  followBy(heir: SignedInHeir | null): void {
    const { sessions, token } = this
    if (heir === null) sessions.followBy(null)
    else
      sessions.followBy({
        take: (sent) => heir.takeSessions(token.fingerprint, sent),
        end: (id) => heir.endSession(id),
      })
  }

  /** Lets in who is signed in at the process before this one. Operators have to have signed in with the same token. */
  takeSessions(token: string | null, sessions: readonly SentSession[]): void {
    const isSame = token === this.token.fingerprint
    this.sessions.take(isSame ? sessions : sessions.filter(([, , keyHash]) => keyHash !== null))
  }

  /** The process before this one has ended a session. */
  endSession(id: string): void {
    this.sessions.endSent(id)
  }

  /** The listening socket, for a process that takes over; null while there is none. */
  get handle(): ListeningHandle | null {
    return findListeningHandle(this.http)
  }

  /**
   * Stops listening, as another process has taken over. Browsers that have a connection get one more response on it,
   * connect again, and find that process. Live streams end, and no more are opened.
   */
  retire(): void {
    this.isRetired = true
    this.live.close()
    this.http.close()
    this.http.closeIdleConnections()
  }

  /** Stops listening and closes all connections at once. */
  close(): void {
    this.live.close()
    this.token.spend()
    this.http.close()
    this.http.closeAllConnections()
  }

  /** Nobody can look, and does not know why. */
  private onDrop(): void {
    const now = performance.now()
    if (now - this.droppedAt < DROP_LOG_MS) return
    this.droppedAt = now
    this.log.warn(
      { most: MOST_CONNECTIONS },
      `page: all ${MOST_CONNECTIONS} connections are taken: one was closed`,
    )
  }

  private async respond(req: IncomingMessage, res: ServerResponse): Promise<void> {
    // Browsers do not pipeline, and each answer would wait in memory for those before it.
    if (res.socket === null) {
      req.socket.destroy()
      return
    }
    req.on('error', ignore)
    res.on('error', ignore)
    let response: PageResponse | null
    try {
      response = await this.routes.answer(req, res)
    } catch (error) {
      response = createError(this.toRefusal(error))
    }
    if (response === null) return
    // What is left of a body that nobody wants is not read on.
    const isUnread = !req.complete && hasBody(req)
    if (isUnread || this.isRetired)
      response = { ...response, headers: { ...response.headers, connection: 'close' } }
    this.writer.send(req, res, response)
  }

  private toRefusal(error: unknown): ApiRefusal {
    if (error instanceof ApiRefusal) return error
    this.log.error({ err: error }, 'page: a request has failed')
    return new ApiRefusal(500, 'fault', 'a fault of the relay: its log has more')
  }
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}
