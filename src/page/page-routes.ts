import type { IncomingMessage, ServerResponse } from 'node:http'
import { findHeader } from '../http/flat-headers.js'
import { isSafeHost } from '../http/host.js'
import { isObject } from '../json/values.js'
import type { Log } from '../observe/log.js'
import { answerApi, findPlace, listMethods } from './api/api.js'
import type { Assets } from './assets.js'
import { readForm, readJson } from './body.js'
import type { LiveStream } from './live.js'
import { isFromOwnPage, isReadByOthers } from './origin.js'
import { type PageTarget, readTarget } from './own-path.js'
import { ApiRefusal, createText, type PageResponse } from './page-response.js'
import { QuestionLimit } from './question-limit.js'
import type { PageSession } from './sessions.js'
import { readReturn, type SignIn } from './sign-in.js'
import { createErrorPage, createSignInPage, STYLE, STYLE_PATH } from './sign-in-page.js'
import type { PageSource } from './source.js'

export interface PageRoutesParts {
  readonly source: PageSource
  readonly assets: Assets | null
  readonly signIn: SignIn
  readonly live: LiveStream
  readonly log: Pick<Log, 'info' | 'warn'>
}

const READ = ['GET', 'HEAD']

const LIVE = 'live'
const SESSION = 'session'

/** Decides what becomes of a request: who may ask for it, and who answers it. */
export class PageRoutes {
  private readonly parts: PageRoutesParts
  /** In lower case. */
  private hosts: readonly string[]
  private readonly questions: QuestionLimit

  constructor(parts: PageRoutesParts, hosts: readonly string[]) {
    this.parts = parts
    this.questions = new QuestionLimit()
    this.hosts = []
    this.setHosts(hosts)
  }

  setHosts(hosts: readonly string[]): void {
    this.hosts = hosts.map((host) => host.toLowerCase())
  }

  /** @returns null if it has answered by itself @throws {ApiRefusal} */
  async answer(req: IncomingMessage, res: ServerResponse): Promise<PageResponse | null> {
    const isNamed = findHeader(req.rawHeaders, 'host') !== undefined
    if (!isNamed || !isSafeHost(req.rawHeaders, req.httpVersionMinor, this.hosts, false)) {
      const advice = 'This name is not known here. Add it to admin.hosts, or use the IP address.\n'
      return createText(421, advice, { connection: 'close' })
    }
    const target = readTarget(req.url)
    if (target === null) return createErrorPage(400, 'This is no path of this page.')
    return target.path.startsWith('/api/') ? this.answerApi(req, res, target) : this.answerPage(req, target)
  }

  /** The page itself is the same for everybody, and shows nothing by itself: it needs no session. */
  private async answerPage(req: IncomingMessage, { path, query }: PageTarget): Promise<PageResponse> {
    const { assets, signIn } = this.parts
    const isRead = READ.includes(req.method ?? '')
    switch (path) {
      case '/':
        if (!isRead) return refuseMethod(READ)
        if (query.has('token') && req.method === 'GET' && isVisit(req))
          return signIn.followLink(req, { path, query }, signIn.find(req))
        return assets?.createIndex(req.rawHeaders) ?? createErrorPage(503, UNBUILT)
      case '/sign-in':
        if (isRead)
          return createSignInPage(
            readReturn(query.get('to')),
            query.get('why') === 'spent' ? 'spent' : null,
            200,
          )
        if (req.method !== 'POST') return refuseMethod([...READ, 'POST'])
        checkOrigin(req)
        return signIn.takeForm(req, await readForm(req))
      case '/sign-out':
        if (req.method !== 'POST') return refuseMethod(['POST'])
        checkOrigin(req)
        return signIn.signOut(req)
      default: {
        const asset = OWN_FILES[path] ?? assets?.find(path, req.rawHeaders)
        if (asset === undefined || asset === null)
          return createErrorPage(404, 'There is nothing at this path.')
        return isRead ? asset : refuseMethod(READ)
      }
    }
  }

  private async answerApi(
    req: IncomingMessage,
    res: ServerResponse,
    { path, query }: PageTarget,
  ): Promise<PageResponse | null> {
    const { source, signIn, live, log } = this.parts
    const { method = '' } = req
    const name = path.slice('/api/'.length)
    if (name === SESSION && method === 'POST') return this.openSession(req)
    if (name === SESSION && method === 'DELETE') {
      checkOrigin(req)
      return { ...signIn.signOut(req), status: 204 }
    }
    if (isReadByOthers(req.rawHeaders))
      throw new ApiRefusal(403, 'other_origin', 'only this page may read this')
    const session = signIn.find(req)
    // Nobody learns without a session which paths there are.
    if (session === null) throw new ApiRefusal(401, 'signed_out', 'sign in first')
    const place = findPlace(name)
    const methods = name === LIVE ? READ : name === SESSION ? SESSION_METHODS : listMethods(place)
    if (methods.length === 0) throw new ApiRefusal(404, 'not_found', 'there is nothing at this path')
    if (!methods.includes(method)) {
      const allow = methods.join(', ')
      throw new ApiRefusal(405, 'method', `this path takes ${allow}`, { allow })
    }
    if (name === LIVE) {
      live.open(req, res, session, () => signIn.find(req) !== null)
      return null
    }
    const isAction = method === 'POST'
    if (isAction) checkOrigin(req)
    // What a holder may not do is refused whatever the body says.
    const body = isAction && session.key === null ? await readJson(req) : null
    const asker = { isAction, session, source, query, address: signIn.addressOf(req), log }
    if (isAction) return answerApi(place, asker, body)
    return this.questions.answer(session.key?.id ?? session.name, () => answerApi(place, asker, body))
  }

  /** Signs in for the script of the page. */
  private async openSession(req: IncomingMessage): Promise<PageResponse> {
    checkOrigin(req)
    const body = await readJson(req)
    const secret = isObject(body) ? body.secret : undefined
    if (typeof secret !== 'string') throw new ApiRefusal(400, 'bad_order', 'secret: is missing')
    const outcome = this.parts.signIn.take(req, secret.trim(), true)
    if ('cookie' in outcome) return this.welcome(req, outcome.session, outcome.cookie)
    if (outcome.problem === 'wrong')
      throw new ApiRefusal(401, 'wrong_secret', 'this is neither the token of this page nor a valid key')
    throw new ApiRefusal(429, 'too_many_tries', `too many tries: wait ${outcome.waitSeconds} s`, {
      'retry-after': String(outcome.waitSeconds),
    })
  }

  private async welcome(req: IncomingMessage, session: PageSession, cookie: string): Promise<PageResponse> {
    const { source, signIn, log } = this.parts
    const query = new URLSearchParams()
    const asker = { isAction: false, session, source, query, address: signIn.addressOf(req), log }
    const response = await answerApi(findPlace(SESSION), asker, null)
    return { ...response, headers: { ...response.headers, 'set-cookie': cookie } }
  }
}

const SESSION_METHODS = [...READ, 'POST', 'DELETE']

const UNBUILT = 'The files of this page are missing: build the relay again.'

/** Files that are there without a build. */
const OWN_FILES: Readonly<Record<string, PageResponse>> = {
  [STYLE_PATH]: {
    status: 200,
    headers: { 'content-type': 'text/css; charset=utf-8', 'cache-control': 'max-age=3600' },
    body: STYLE,
  },
  '/favicon.ico': { status: 204, headers: { 'cache-control': 'max-age=86400' }, body: '' },
}

function checkOrigin({ rawHeaders }: IncomingMessage): void {
  if (!isFromOwnPage(rawHeaders))
    throw new ApiRefusal(403, 'other_origin', 'only this page itself may send this')
}

function refuseMethod(methods: readonly string[]): PageResponse {
  const allow = methods.join(', ')
  return createErrorPage(405, `This path takes ${allow}.`, { allow })
}

/**
 * Whether somebody follows a link. Browsers also fetch pages ahead that somebody may want to see, which would use the
 * token up. A page of others may show pictures from here: each would be a try with a wrong token, and nobody at this
 * address could sign in any more.
 */
function isVisit({ rawHeaders }: IncomingMessage): boolean {
  const purpose = findHeader(rawHeaders, 'sec-purpose') ?? findHeader(rawHeaders, 'purpose') ?? ''
  const destination = findHeader(rawHeaders, 'sec-fetch-dest') ?? 'document'
  return !/prefetch|preview|prerender/i.test(purpose) && destination === 'document'
}
