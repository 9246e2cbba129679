import type { IncomingMessage } from 'node:http'
import { ClientAddresses } from '../access/client-address.js'
import { hashKey, inspectKey } from '../access/key.js'
import { findUseFault } from '../access/key-limits.js'
import type { Log } from '../observe/log.js'
import { formatCookie, formatEndedCookie, isHttps, readCookie } from './cookie.js'
import type { OperatorToken } from './operator-token.js'
import { formatTarget, isOwnPath, type PageTarget } from './own-path.js'
import { createRedirect, type PageResponse } from './page-response.js'
import type { PageSession, Sessions } from './sessions.js'
import { SignInLimit } from './sign-in-limit.js'
import { createSignInPage } from './sign-in-page.js'
import type { PageKeys } from './source.js'

/** No token and no key is longer. */
const LONGEST_TOKEN = 512

export interface SignInParts {
  readonly sessions: Sessions
  readonly token: OperatorToken
  /** Null: nobody signs in with a key. */
  readonly keys: Pick<PageKeys, 'find'> | null
  readonly trustedProxies: readonly string[]
  readonly log: Pick<Log, 'info' | 'warn'>
}

interface SignInFailure {
  readonly problem: 'wrong' | 'slow'
  /** After which another try is looked at. */
  readonly waitSeconds: number
}

export type SignInOutcome = SignInFailure | { readonly session: PageSession; readonly cookie: string }

/** Lets operators and holders of keys in, and out. */
export class SignIn {
  /** Name of the cookie. Cookies do not know ports, and another relay may have its page on the same host. */
  cookieName: string
  private readonly sessions: Sessions
  private readonly token: OperatorToken
  private readonly keys: SignInParts['keys']
  private readonly addresses: ClientAddresses
  private readonly log: SignInParts['log']
  private readonly limit: SignInLimit

  constructor({ sessions, token, keys, trustedProxies, log }: SignInParts) {
    this.cookieName = 'thinwire'
    this.sessions = sessions
    this.token = token
    this.keys = keys
    this.addresses = new ClientAddresses(trustedProxies)
    this.log = log
    this.limit = new SignInLimit()
  }

  /** The session of a request; null if it has none. */
  find(req: IncomingMessage): PageSession | null {
    return this.sessions.find(readCookie(req.rawHeaders, this.cookieName), this.addressOf(req))
  }

  /** The address of a client, which its key may be bound to. */
  addressOf({ socket, rawHeaders }: IncomingMessage): string | null {
    return this.addresses.find(socket.remoteAddress, rawHeaders)
  }

  /** Exchanges the token of a link for a session. @param session that the browser has already */
  followLink(req: IncomingMessage, target: PageTarget, session: PageSession | null): PageResponse {
    const to = formatTarget(target)
    // The printed token stays good for another browser.
    if (session !== null && session.key === null) return createRedirect(to)
    const tokens = target.query.getAll('token')
    // A key is no part of a link: whoever is sent one would be signed in as somebody else.
    const outcome = this.take(req, tokens.length === 1 ? (tokens[0] ?? '') : '', false)
    if ('cookie' in outcome) return createRedirect(to, { 'set-cookie': outcome.cookie })
    if (outcome.problem === 'slow') return this.showForm(to, outcome)
    return createRedirect(`/sign-in?${new URLSearchParams({ to, why: 'spent' })}`)
  }

  /** @param form what the sign-in page has sent; null if it is none */
  takeForm(req: IncomingMessage, form: URLSearchParams | null): PageResponse {
    const to = readReturn(form?.get('to') ?? null)
    const tokens = form?.getAll('token') ?? []
    const [token] = tokens
    if (tokens.length !== 1 || token === undefined) return createSignInPage(to, 'full', 400)
    const outcome = this.take(req, token.trim(), true)
    if ('cookie' in outcome) return createRedirect(to, { 'set-cookie': outcome.cookie })
    return this.showForm(to, outcome)
  }

  /**
   * Lets in whoever has a right token.
   * @param takesKeys a key is as good, for its holder
   */
  take(req: IncomingMessage, token: string, takesKeys: boolean): SignInOutcome {
    const counted = this.addresses.findCounted(req.socket.remoteAddress, req.rawHeaders) ?? ''
    const waitSeconds = this.limit.readWait(counted)
    if (waitSeconds > 0) return { problem: 'slow', waitSeconds }
    if (token !== '' && token.length <= LONGEST_TOKEN) {
      if (this.token.take(token)) return this.admit(req, null)
      const hash = takesKeys ? this.findHolder(req, token) : null
      if (hash !== null) return this.admit(req, hash)
    }
    this.limit.fail(counted)
    // What was tried is not in the log: it may be most of a key.
    this.log.warn({ client_address: this.addressOf(req) }, 'page: a sign-in has failed')
    return { problem: 'wrong', waitSeconds: 0 }
  }

  signOut(req: IncomingMessage): PageResponse {
    const text = readCookie(req.rawHeaders, this.cookieName)
    if (text !== null) this.sessions.end(text)
    const cookie = formatEndedCookie(this.cookieName, isHttps(req.rawHeaders))
    return createRedirect('/sign-in', { 'set-cookie': cookie })
  }

  /** @returns the hash of a key that may be used from there; null if it is none */
  private findHolder(req: IncomingMessage, token: string): string | null {
    if (this.keys === null || typeof inspectKey(token) === 'string') return null
    const hash = hashKey(token)
    const key = this.keys.find(hash)
    return key === undefined || findUseFault(key, this.addressOf(req)) !== null ? null : hash
  }

  private admit(req: IncomingMessage, keyHash: string | null): SignInOutcome {
    // Who signs in again is not the one of the session before.
    const before = readCookie(req.rawHeaders, this.cookieName)
    if (before !== null) this.sessions.end(before)
    const text = keyHash === null ? this.sessions.openForOperator() : this.sessions.openForHolder(keyHash)
    const address = this.addressOf(req)
    const session = this.sessions.find(text, address)
    if (session === null) return { problem: 'wrong', waitSeconds: 0 }
    const key = session.key?.id ?? null
    this.log.info(
      { client_address: address, session: session.name, key },
      `page: ${key === null ? 'an operator' : `the holder of ${key}`} has signed in`,
    )
    return { session, cookie: formatCookie(this.cookieName, text, isHttps(req.rawHeaders)) }
  }

  private showForm(to: string, { problem, waitSeconds }: SignInFailure): PageResponse {
    return problem === 'slow'
      ? createSignInPage(to, problem, 429, { 'retry-after': String(waitSeconds) })
      : createSignInPage(to, problem, 401)
  }
}

/** Where to go after a sign-in: a path of this page, and no other place. */
export function readReturn(to: string | null): string {
  return to !== null && isOwnPath(to) && !to.startsWith('/sign-in') ? to : '/'
}
