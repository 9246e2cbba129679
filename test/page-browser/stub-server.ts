import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  DIMENSIONS,
  type Dimension,
  type KeyOrder,
  type KeyRow,
  type Session,
} from '../../src/page/shapes.js'
import * as data from './stub-data.js'

/** A server with the assets that the build made, and an API whose data are made up: for what the browser does with them. */

const ASSETS = new URL('../../src/page/assets/', import.meta.url)

export const OPERATOR_SECRET = 'operator-token'
export const HOLDER_SECRET = 'lc_prod_web_grace_0123456789abcdefghijAB'

/** As the page's server sends it. */
const HEADERS = {
  'content-security-policy':
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
} as const

interface Manifest {
  readonly files: Readonly<Record<string, { readonly file: string; readonly type: string }>>
}

/** What a test says of the data. */
export interface StubOptions {
  /** Nothing was counted yet. */
  isEmpty?: boolean
  /** Paths of the API that fail. */
  failing?: readonly string[]
  /** Keys beside those of the names. */
  moreKeys?: number
}

export class StubServer {
  readonly options: StubOptions
  /** Paths of the API that were asked, with their queries. */
  readonly asked: string[]
  /** The live stream is refused. */
  isAway: boolean
  private readonly server: Server
  private readonly manifest: Manifest
  private readonly streams: Set<ServerResponse>
  private readonly keys: KeyRow[]
  private readonly startedAt: number
  private timer: NodeJS.Timeout | null

  constructor(options: StubOptions = {}) {
    this.options = options
    this.asked = []
    this.isAway = false
    this.manifest = JSON.parse(readFileSync(new URL('manifest.json', ASSETS), 'utf8')) as Manifest
    this.streams = new Set()
    this.startedAt = Date.now() - 93 * 60_000
    this.keys = data.makeKeys(Date.now(), options.moreKeys ?? 0)
    this.timer = null
    this.server = createServer((request, response) => void this.answer(request, response))
  }

  /** @returns the address of the page */
  async listen(port = 0): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(port, '127.0.0.1', resolve))
    let second = 0
    this.timer = setInterval(() => {
      second++
      const at = Math.floor(Date.now() / 1_000) * 1_000
      const text = `id: ${at / 1_000}\nevent: now\ndata: ${JSON.stringify(data.makeNow(at, second))}\n\n`
      for (const stream of this.streams) stream.write(text)
    }, 1_000)
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/`
  }

  async close(): Promise<void> {
    if (this.timer !== null) clearInterval(this.timer)
    this.cutStreams()
    this.server.closeAllConnections()
    await new Promise((resolve) => this.server.close(resolve))
  }

  /** Ends all live streams, as a relay that restarts does. */
  cutStreams(): void {
    for (const stream of this.streams) stream.destroy()
    this.streams.clear()
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://page')
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value)
    if (url.pathname.startsWith('/api/')) {
      await this.answerApi(request, response, url)
      return
    }
    const known = this.manifest.files[url.pathname]
    if (known === undefined && url.pathname !== '/') {
      response.writeHead(404).end()
      return
    }
    response.setHeader('content-type', `${known?.type ?? 'text/html'}; charset=utf-8`)
    if (known !== undefined) {
      response.setHeader('cache-control', 'public, max-age=31536000, immutable')
      response.setHeader('content-encoding', 'br')
    }
    response.end(readFileSync(new URL(known === undefined ? 'index.html' : `${known.file}.br`, ASSETS)))
  }

  private async answerApi(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const { method = 'GET' } = request
    const body = method === 'GET' ? null : await readJson(request)
    this.asked.push(`${method} ${url.pathname}${url.search}`)
    const role = /page=(\w+)/.exec(request.headers.cookie ?? '')?.[1] ?? null
    const path = url.pathname.replace(/\.csv$/, '')
    if (method === 'POST' && path === '/api/session') {
      this.signIn(response, String((body as { secret?: unknown } | null)?.secret))
      return
    }
    if (role === null) {
      refuse(response, 401, 'unauthorized', 'Sign in first.')
      return
    }
    if (method === 'DELETE' && path === '/api/session') {
      response.writeHead(204, { 'set-cookie': 'page=; Max-Age=0; Path=/' }).end()
      return
    }
    if (this.options.failing?.includes(path) === true) {
      refuse(response, 500, 'internal', `No data <b>here</b> for ${path}.`)
      return
    }
    if (path === '/api/live' && this.isAway) refuse(response, 503, 'away', 'Not now.')
    else if (path === '/api/live') this.openStream(request, response)
    else if (method === 'POST') this.takeOrder(response, path, body as Record<string, string>)
    else if (url.pathname.endsWith('.csv')) send(response, 'name,requests\r\nplatform,1\r\n', 'text/csv')
    else this.answerGet(response, path, url.searchParams, role)
  }

  private signIn(response: ServerResponse, secret: string): void {
    const role = secret === OPERATOR_SECRET ? 'operator' : secret === HOLDER_SECRET ? 'holder' : null
    if (role === null) {
      refuse(response, 401, 'unauthorized', 'This is neither the token nor a key.')
      return
    }
    response.setHeader('set-cookie', `page=${role}; HttpOnly; SameSite=Strict; Path=/`)
    send(response, this.makeSession(role))
  }

  private makeSession(role: string): Session {
    const isHolder = role === 'holder'
    return {
      role: isHolder ? 'holder' : 'operator',
      key: isHolder ? { id: 'k19ce04b', owner: 'web/grace' } : null,
      version: '0.1.0',
      workers: 2,
      startedAt: this.startedAt,
      now: Date.now(),
      zone: 'Europe/Berlin',
      isDemo: false,
      completeFrom: null,
      mayChangeKeys: !isHolder,
    }
  }

  private openStream(request: IncomingMessage, response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    response.write('retry: 500\n\n')
    this.streams.add(response)
    request.on('close', () => this.streams.delete(response))
  }

  private answerGet(response: ServerResponse, path: string, query: URLSearchParams, role: string): void {
    const now = Date.now()
    const range = query.get('range') ?? '2h'
    const by = DIMENSIONS.find((each) => each === query.get('by')) ?? null
    const filtered = DIMENSIONS.filter((each) => query.has(each)).length
    const share = this.options.isEmpty === true ? 0 : 0.5 ** filtered
    const isHolder = role === 'holder'
    if (path === '/api/session') send(response, this.makeSession(role))
    else if (path === '/api/series') send(response, data.makeSeries(range, by, now, share))
    else if (path === '/api/totals') send(response, this.makeTotals(range, by ?? 'team', query))
    else if (path === '/api/spend') send(response, data.makeSpend(now))
    else if (path === '/api/limits')
      send(response, this.options.isEmpty === true ? { meters: [], isCut: false } : data.makeMeters())
    else if (path === '/api/refusals')
      send(response, isHolder ? { ...data.makeRefusals(), rules: [] } : data.makeRefusals())
    else if (path === '/api/upstreams') send(response, data.makeTargets(range))
    else if (path === '/api/keys') send(response, { keys: isHolder ? this.keys.slice(1, 2) : this.keys })
    else if (path === '/api/requests') send(response, this.makeRequests(query, isHolder))
    else if (path.startsWith('/api/requests/')) {
      const id = decodeURIComponent(path.slice('/api/requests/'.length))
      const number = 100_000 - Number(id.replace('req-', ''))
      if (Number.isNaN(number)) refuse(response, 404, 'unknown_request', 'This request is not kept here.')
      else send(response, data.makeDetail(data.makeRequest(number, now)))
    } else refuse(response, 404, 'unknown_path', 'There is no such path.')
  }

  private makeTotals(range: string, by: Dimension, query: URLSearchParams): object {
    const table = data.makeTotals(range, by, Date.now(), query.getAll(by))
    return this.options.isEmpty === true ? { ...table, rows: [] } : table
  }

  private makeRequests(query: URLSearchParams, isHolder: boolean): object {
    const now = Date.now()
    const before = query.get('before')
    const first = before === null ? 0 : 100_000 - Number(before.replace('req-', '')) + 1
    const limit = Number(query.get('limit') ?? 100)
    const rows = Array.from({ length: 300 }, (_, i) => data.makeRequest(i, now))
      .slice(first)
      .filter(({ isError }) => query.get('errors') !== '1' || isError)
      .filter(({ model }) => !query.has('model') || query.getAll('model').includes(model ?? ''))
      .filter(({ key }) => !isHolder || key === 'k19ce04b')
    return { requests: this.options.isEmpty === true ? [] : rows.slice(0, limit), kept: 300 }
  }

  private takeOrder(response: ServerResponse, path: string, body: Record<string, string>): void {
    const [, id = '', order = ''] = /^\/api\/keys\/([^/]+)\/(rotate|revoke)$/.exec(path) ?? []
    const known = this.keys.find((key) => key.id === id)
    if (order === 'revoke' && known !== undefined) {
      this.keys[this.keys.indexOf(known)] = { ...known, revokedAt: Date.now() }
      response.writeHead(204).end()
    } else if (path === '/api/keys' || (order === 'rotate' && known !== undefined)) {
      const asked = (known ?? body) as unknown as KeyOrder
      if (asked.team === 'nobody') {
        refuse(response, 400, 'bad_order', 'There is no team of this name.')
        return
      }
      const made: KeyRow = {
        ...(data.makeKeys(Date.now(), 0)[1] as KeyRow),
        ...{ id: `k${this.keys.length}new`, env: asked.env, team: asked.team, user: asked.user },
        ...{ createdAt: Date.now(), lastAt: null, monthNano: 0, monthRequests: 0 },
      }
      this.keys.push(made)
      send(response, { id: made.id, key: `lc_${made.env}_${made.team}_${made.user}_0123456789abcdefghijAB` })
    } else refuse(response, 404, 'unknown_key', 'There is no such key.')
  }
}

function send(response: ServerResponse, body: unknown, type = 'application/json'): void {
  response.writeHead(200, { 'content-type': type, 'cache-control': 'no-store' })
  response.end(typeof body === 'string' ? body : JSON.stringify(body))
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ error: { code, message } }))
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece as Buffer)
  return JSON.parse(Buffer.concat(pieces).toString() || 'null')
}
