import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { type WebSocket, WebSocketServer } from 'ws'
import { wait } from '../until.js'
import type { Account, Sent } from './account.js'
import { responseOf, socketEvents, streamAnswer, wholeAnswer } from './provider-answers.js'
import { drawUsed, type Used } from './tariff.js'

interface Kept {
  readonly sent: Sent
  readonly used: Used
  /** Looks at it until it is done. */
  pending: number
}

const LIMITED = { error: { type: 'rate_limit_error', code: 'rate_limit_exceeded', message: '' } }
const JSON_HEAD = { 'content-type': 'application/json' }
const SSE_HEAD = { 'content-type': 'text/event-stream' }

/**
 * A provider that charges for each response whose usage has left it whole. It has several names, each of which is
 * an upstream: `/a/v1`, `/b/v1`.
 */
export class ChargingProvider {
  readonly account: Account
  private readonly server: Server
  private readonly sockets: WebSocketServer
  private readonly kept: Map<string, Kept>
  /** What went wrong in it, which is a fault of the test. */
  failure: unknown

  private constructor(account: Account) {
    this.account = account
    this.kept = new Map()
    this.failure = null
    this.sockets = new WebSocketServer({ noServer: true })
    this.server = createServer({ keepAliveTimeout: 120_000 }, (req, res) => {
      this.answer(req, res).catch((error: unknown) => {
        this.failure ??= error
        res.destroy()
      })
    })
    this.server.on('upgrade', (req, socket, head) => {
      const sent = this.meet(req)
      this.sockets.handleUpgrade(req, socket, head, (ws) => this.talk(ws, sent))
    })
  }

  static async start(account: Account): Promise<ChargingProvider> {
    const provider = new ChargingProvider(account)
    await new Promise<void>((resolve) => provider.server.listen(0, '127.0.0.1', resolve))
    return provider
  }

  urlOf(name: string): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/${name}/v1`
  }

  close(): void {
    for (const socket of this.sockets.clients) socket.terminate()
    this.server.closeAllConnections()
    this.server.close()
  }

  private meet(req: IncomingMessage): Sent {
    const trace = String(req.headers.traceparent).split('-')[1] ?? ''
    const sent = this.account.sents.get(trace)
    if (sent === undefined) throw new Error(`nobody has sent ${req.url} ${trace}`)
    if (sent.reachedAt === 0) sent.reachedAt = performance.now()
    sent.asked.push(upstreamOf(req))
    return sent
  }

  private async answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const sent = this.meet(req)
    // The number of this attempt, also if others come while it waits.
    const attempt = sent.asked.length
    const body = await readBody(req)
    res.on('error', () => {})
    const { group } = sent
    const { random } = group
    const upstream = upstreamOf(req)
    switch (group.kind) {
      case 'failover':
        if (attempt === 1 && upstream.startsWith('c') && random() < 0.5) return fail(res, random)
        break
      case 'limited':
        return json(res, 429, {
          error: { type: 'rate_limit_error', code: 'rate_limit_exceeded', message: '' },
        })
      case 'invalid':
        json(res, 400, { error: { type: 'invalid_request_error', code: 'invalid', message: 'No.' } })
        return
      case 'hedged':
        if (upstream === 'e' && random() < 0.1) await wait(400)
        break
      case 'background':
      case 'stored':
        return this.answerStored(req, res, sent, body)
    }
    const id = `id-${sent.trace}-${attempt}`
    const isStream = (JSON.parse(body) as { stream?: boolean }).stream === true
    if (random() < 0.3) await wait(random() * 8)
    if (isStream) return this.stream(res, sent, upstream, id)
    this.finish(res, sent, upstream, group.used)
    res.writeHead(200, JSON_HEAD).end(wholeAnswer(group.api, id, group.used))
  }

  /** Charges when the end of the response has left. */
  private finish(res: ServerResponse, sent: Sent, upstream: string, used: Used): void {
    res.on('finish', () => this.account.charge(sent, upstream, used))
  }

  private async stream(res: ServerResponse, sent: Sent, upstream: string, id: string): Promise<void> {
    const { group } = sent
    const { kind, random, used } = group
    const words = 1 + Math.floor(random() * 5)
    const events = streamAnswer(group.api, id, used, words, kind === 'failed with usage')
    if (kind === 'compressed') {
      const bytes = gzipSync([...events.begin, events.usage, events.end].join(''))
      const middle = Math.floor(random() * bytes.length)
      res.writeHead(200, Object.assign({ 'content-encoding': 'gzip' }, SSE_HEAD))
      this.finish(res, sent, upstream, used)
      res.write(bytes.subarray(0, middle))
      await wait(random() * 4)
      res.end(bytes.subarray(middle))
      return
    }
    res.writeHead(200, SSE_HEAD)
    for (const text of events.begin) {
      res.write(text)
      if (random() < 0.3 || kind === 'left') await wait(random() * 6)
    }
    switch (kind) {
      case 'held':
        return
      case 'cut':
        if (random() < 0.5) res.socket?.end()
        else res.socket?.resetAndDestroy()
        return
      case 'error event':
        res.end(events.error)
        return
      case 'cut after usage':
        await new Promise((resolve) => res.write(events.usage, resolve))
        this.account.charge(sent, upstream, used)
        res.socket?.end()
        return
    }
    this.finish(res, sent, upstream, used)
    if (random() < 0.5) {
      res.write(events.usage)
      await wait(random() * 3)
      res.end(events.end)
    } else res.end(events.usage + events.end)
  }

  private answerStored(req: IncomingMessage, res: ServerResponse, sent: Sent, body: string): void {
    const upstream = upstreamOf(req)
    if (req.method === 'POST') {
      const isLater = (JSON.parse(body) as { background?: boolean }).background === true
      const id = `resp_${sent.trace}`
      const { used } = sent.group
      this.kept.set(id, { sent, used, pending: isLater ? 2 : 0 })
      if (!isLater) this.finish(res, sent, upstream, used)
      json(res, 200, responseOf(id, used, isLater ? 'queued' : 'completed'))
      return
    }
    const id = req.url?.split('/').at(-1) ?? ''
    const kept = this.kept.get(id)
    if (kept === undefined) {
      json(res, 404, { error: { message: 'There is no such response.' } })
      return
    }
    const isMade = sent.group.kind === 'background' && kept.pending === 1
    if (kept.pending > 0) kept.pending--
    // The provider charges once, when it is made.
    if (isMade) this.finish(res, sent, upstream, kept.used)
    json(res, 200, responseOf(id, kept.used, kept.pending === 0 ? 'completed' : 'in_progress'))
  }

  /** Answers each `response.create` of a WebSocket. */
  private talk(ws: WebSocket, sent: Sent): void {
    const { group } = sent
    let count = 0
    ws.on('error', () => {})
    ws.on('message', async () => {
      const used = drawUsed('responses', group.random)
      const events = socketEvents(`resp_${sent.trace}_${count++}`, used, ['some ', 'words'])
      const last = events.pop() ?? ''
      for (const text of events) {
        if (group.random() < 0.3) await wait(group.random() * 4)
        ws.send(text)
      }
      if (group.kind === 'held socket') return
      ws.send(last, (error) => {
        if (error === undefined || error === null) this.account.charge(sent, 'a', used)
      })
    })
  }
}

function upstreamOf(req: IncomingMessage): string {
  return req.url?.split('/')[1] ?? ''
}

async function readBody(req: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of req) pieces.push(piece as Buffer)
  return Buffer.concat(pieces).toString()
}

function json(res: ServerResponse, status: number, value: object): void {
  res.writeHead(status, JSON_HEAD).end(JSON.stringify(value))
}

/** The first target of a route fails, in one of the ways that lead to the next one. */
function fail(res: ServerResponse, random: () => number): void {
  const way = random()
  if (way < 0.34) json(res, 500, { error: { type: 'api_error', code: 'server_error', message: '' } })
  else if (way < 0.67) json(res, 429, LIMITED)
  else res.socket?.resetAndDestroy()
}
