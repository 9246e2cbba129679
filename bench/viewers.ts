import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'

/** Milliseconds between two looks of a viewer at a view that does not come by itself, as the page has it. */
const LOOK_MS = 5_000

/** What a page that is open asks for: the live stream, and from time to time a view with its figures. */
const VIEWS = [
  '/api/totals?range=2h&by=model',
  '/api/series?range=30m&by=team',
  '/api/spend',
  '/api/requests',
]

/** Browsers that have the operators' page of a relay open. */
export class Viewers {
  private readonly streams: ClientRequest[]
  /** Messages of live streams so far. */
  messages: number

  private constructor() {
    this.streams = []
    this.messages = 0
  }

  /** @throws if one of them is refused */
  static async open(port: number, token: string, count: number): Promise<Viewers> {
    const viewers = new Viewers()
    for (let i = 0; i < count; i++) await viewers.add(port, token, VIEWS[i % VIEWS.length] as string)
    return viewers
  }

  close(): void {
    for (const stream of this.streams) stream.destroy()
  }

  private async add(port: number, token: string, view: string): Promise<void> {
    const headers = { 'content-type': 'application/json', origin: `http://127.0.0.1:${port}` }
    const signIn = send(port, 'POST', '/api/session', headers, JSON.stringify({ secret: token }))
    const session = await answerOf(signIn)
    const cookie = session.headers['set-cookie']?.[0]?.split(';', 1)[0] ?? ''
    session.resume()
    const live = send(port, 'GET', '/api/live', { cookie })
    const stream = await answerOf(live)
    stream.on('data', () => this.messages++).on('error', () => {})
    this.streams.push(live)
    const timer = setInterval(() => {
      const look = send(port, 'GET', view, { cookie })
      look.once('response', (answer: IncomingMessage) => answer.resume())
      look.on('error', () => {})
    }, LOOK_MS)
    live.once('close', () => clearInterval(timer))
  }
}

function send(
  port: number,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body = '',
): ClientRequest {
  return request({ host: '127.0.0.1', port, method, path, headers }).end(body)
}

async function answerOf(sent: ClientRequest): Promise<IncomingMessage> {
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  if (answer.statusCode !== 200) throw new Error(`the page answers ${answer.statusCode}`)
  sent.on('error', () => {})
  return answer
}
