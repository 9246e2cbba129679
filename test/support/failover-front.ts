import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** How a front fails over wrongly. Without a fault it does all that a recipe of `scripts/deploy` does. */
export interface FailoverFaults {
  /** It has no direct way. `silent`: it does not even answer. */
  readonly noDirect?: 'page' | 'json' | 'silent'
  /** Keys that it refuses directly, though they are good. */
  readonly refusesKey?: true
  /** The provider refuses the credential of the operator. */
  readonly wrongCredential?: true
  /** What it lets pass: every key, or one only (a revoked one), or requests without a key. */
  readonly passes?: (key: string) => boolean
  readonly refusesWithPage?: true
  readonly buffers?: true
  /** A frozen relay is never found out. */
  readonly noHealthCheck?: true
  /** A POST that a relay had is sent once more, directly. */
  readonly sendsTwice?: true
  /** For so long nothing is answered but errors, when the relays stop. */
  readonly losesMs?: number
  readonly losesWithPage?: true
  readonly staysDirect?: true
  readonly leaks?: 'header' | 'error'
  readonly unmarked?: true
  readonly opensPaths?: true
  readonly refusesPathsWithPage?: true
  readonly believesMark?: true
  /** What it does with `X-Forwarded-For`: nothing at all, or passes what the client sent. */
  readonly forwarded?: 'none' | 'clients'
  readonly noAliases?: true
  /** The command stops nothing. */
  readonly deaf?: true
}

/** What is behind a front. */
export interface Behinds {
  readonly relayPort: number
  /** Of the provider. */
  readonly origin: string
  readonly keys: readonly string[]
  readonly aliases: Readonly<Record<string, string>>
}

/** A relay that hangs is found out after this time. */
const CHECK_MS = 250
/** With `sendsTwice` a relay has a POST for so long. */
const HELD_MS = 900
const STEP_MS = 10

type State = 'up' | 'down' | 'frozen'

/**
 * A front with one relay and a direct way. Its relay is stopped while the file `down` exists, and frozen while `frozen`
 * exists, so that shell commands can do it.
 */
export class FailoverFront {
  readonly folder = mkdtempSync(join(tmpdir(), 'thinwire-front-'))
  /** Chats that reached the provider, by either way. */
  readonly chats = { relay: 0, direct: 0 }
  private readonly server: Server
  private readonly behinds: Behinds
  private readonly faults: FailoverFaults
  private since = 0
  private state: State = 'up'
  private wasDown = false

  private constructor(behinds: Behinds, faults: FailoverFaults) {
    this.behinds = behinds
    this.faults = faults
    this.server = createServer((req, res) => void this.handle(req, res))
  }

  static async start(behinds: Behinds, faults: FailoverFaults = {}): Promise<FailoverFront> {
    const front = new FailoverFront(behinds, faults)
    await new Promise<void>((resolve) => front.server.listen(0, '127.0.0.1', resolve))
    return front
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/v1`
  }

  /** The arguments of the doctor that stop and start its relay. @param after seconds that the command takes */
  stops(after = 0): string[] {
    const file = join(this.folder, 'down')
    return ['--stop', `sleep ${after}; touch ${file}`, '--start', `rm -f ${file}`]
  }

  freezes(): string[] {
    const file = join(this.folder, 'frozen')
    return ['--freeze', `touch ${file}`, '--thaw', `rm -f ${file}`]
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()))
    this.server.closeAllConnections()
    await closed
    rmSync(this.folder, { recursive: true, force: true })
  }

  private look(): State {
    const has = (name: string): boolean => this.faults.deaf !== true && existsSync(join(this.folder, name))
    const state = has('down') ? 'down' : has('frozen') ? 'frozen' : 'up'
    if (state !== this.state) this.since = performance.now()
    this.state = state
    if (state === 'down') this.wasDown = true
    return state
  }

  private async handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { faults } = this
    const body = await readAll(req)
    const isChat = req.method === 'POST'
    let state = this.look()
    if (faults.believesMark === true && req.headers['x-thinwire-direct'] !== undefined) state = 'down'
    if (faults.staysDirect === true && this.wasDown) state = 'down'
    // A relay gets it, and so does whoever answers it below.
    if (faults.sendsTwice === true && isChat && state !== 'down') this.copyToRelay(req, body)
    const heldSince = performance.now()
    while (
      faults.sendsTwice === true &&
      isChat &&
      state === 'up' &&
      performance.now() - heldSince < HELD_MS
    ) {
      await wait(STEP_MS)
      state = this.look()
    }
    if (state === 'frozen') {
      // Nothing is known yet of a relay that has only just been frozen.
      const isKnown = (): boolean =>
        faults.noHealthCheck !== true &&
        performance.now() - this.since > (faults.sendsTwice === true ? 4 : 1) * CHECK_MS
      const wasKnown = isKnown()
      while (!isKnown()) {
        await wait(STEP_MS)
        if (res.destroyed) return
        if (this.look() !== 'frozen') break
      }
      // A relay has this POST: nobody knows what it does with it.
      if (isChat && !wasKnown && faults.sendsTwice !== true) return refuse(res, 504, 'not_sent_again')
    }
    if (this.look() === 'up' && state !== 'down') return this.pass(req, res, body, 'relay')
    if (performance.now() - this.since < (faults.losesMs ?? 0)) {
      return faults.losesWithPage === true ? showPage(res, 502, 'Bad Gateway') : refuse(res, 503, 'wait')
    }
    this.goDirect(req, res, body)
  }

  private copyToRelay({ method, url, headers }: IncomingMessage, body: Buffer): void {
    this.chats.relay++
    const origin = `http://127.0.0.1:${this.behinds.relayPort}`
    const { connection, ...others } = headers
    const copy = request(new URL(url ?? '/', origin), { method, headers: others, agent: false }, (res) =>
      res.resume(),
    )
    copy.on('error', () => {})
    copy.end(body)
  }

  private goDirect(req: IncomingMessage, res: ServerResponse, body: Buffer): undefined {
    const { faults, behinds } = this
    const { url = '/' } = req
    if (faults.noDirect === 'silent') return
    if (faults.noDirect === 'page') return showPage(res, 502, 'Bad Gateway')
    if (faults.noDirect === 'json') return refuse(res, 503, 'no_server')
    if (faults.unmarked !== true) res.setHeader('x-thinwire-direct', '1')
    const key = (req.headers.authorization ?? '').replace(/^Bearer /, '')
    const isListed = faults.refusesKey !== true && behinds.keys.includes(key)
    if (!isListed && faults.passes?.(key) !== true) {
      if (faults.refusesWithPage === true) return showPage(res, 401, 'Authorization Required')
      return refuse(res, 401, 'invalid_api_key')
    }
    if (faults.wrongCredential === true) {
      return refuse(res, 401, 'invalid_api_key', 'Incorrect API key provided: sk-op***********tor.')
    }
    if (faults.opensPaths === true && url === '/v1/files') return answer(res, { object: 'list', data: [] })
    if (url !== '/v1/models' && url !== '/v1/chat/completions') {
      if (faults.refusesPathsWithPage === true) return showPage(res, 403, 'Forbidden')
      return refuse(res, 503, 'direct_not_possible')
    }
    const model = readModel(body)
    const named = behinds.aliases[model]
    if (named === undefined) this.pass(req, res, body, 'direct')
    else if (faults.noAliases === true) refuse(res, 404, 'model_not_found')
    else
      this.pass(
        req,
        res,
        Buffer.from(body.toString().replace(JSON.stringify(model), JSON.stringify(named))),
        'direct',
      )
  }

  private pass(req: IncomingMessage, res: ServerResponse, body: Buffer, way: 'relay' | 'direct'): undefined {
    const { faults, behinds } = this
    const { method, url } = req
    const headers: IncomingHttpHeaders = {
      ...req.headers,
      host: 'provider',
      'content-length': String(body.length),
    }
    if (method === 'GET') delete headers['content-length']
    delete headers.connection
    if (faults.forwarded === 'none') delete headers['x-forwarded-for']
    else if (faults.forwarded !== 'clients')
      headers['x-forwarded-for'] = req.socket.remoteAddress ?? '127.0.0.9'
    if (way === 'direct') headers.authorization = 'Bearer sk-of-the-operator-0123456789'
    if (method === 'POST') this.chats[way]++
    const origin = way === 'relay' ? `http://127.0.0.1:${behinds.relayPort}` : behinds.origin
    const onward = request(new URL(url ?? '/', origin), { method, headers, agent: false }, (upstream) => {
      for (const [name, value] of Object.entries(upstream.headers)) {
        if (value !== undefined && !/^(?:connection|keep-alive|transfer-encoding)$/.test(name))
          res.setHeader(name, value)
      }
      if (way === 'direct' && faults.leaks === 'header')
        res.setHeader('authorization', String(headers.authorization))
      res.statusCode = upstream.statusCode ?? 0
      const pieces: Buffer[] = []
      upstream.on('data', (piece: Buffer) => {
        if (way === 'direct' && faults.buffers === true) pieces.push(piece)
        else res.write(piece)
      })
      upstream.on('end', () => res.end(Buffer.concat(pieces)))
      upstream.on('error', () => res.destroy())
    })
    onward.on('error', () => (res.headersSent ? res.destroy() : refuse(res, 502, 'unreachable')))
    res.on('close', () => onward.destroy())
    onward.end(body)
  }
}

async function readAll(req: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of req) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}

function readModel(body: Buffer): string {
  try {
    return String((JSON.parse(body.toString()) as { model?: unknown }).model)
  } catch {
    return ''
  }
}

function refuse(
  res: ServerResponse,
  status: number,
  code: string,
  message = 'This front refuses it.',
): undefined {
  res.writeHead(status, { 'content-type': 'application/json' })
  res.end(JSON.stringify({ error: { message, type: 'invalid_request_error', param: null, code } }))
}

function answer(res: ServerResponse, body: unknown): undefined {
  res.writeHead(200, { 'content-type': 'application/json' })
  res.end(JSON.stringify(body))
}

function showPage(res: ServerResponse, status: number, title: string): undefined {
  res.writeHead(status, { 'content-type': 'text/html' })
  res.end(`<html><head><title>${status} ${title}</title></head></html>`)
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
