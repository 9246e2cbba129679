import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseResponse, RawClient, type Response } from '../../support/client.js'
import { open, type Place } from '../../support/thinwire.js'
import { until } from '../../support/until.js'
import { clearOne, openHeld, replace, startOne } from './succession-scene.js'

const test = suite<Place>('the page when a new process takes over')

test.before.each(open)
test.after.each(clearOne)

const TOKEN = 'token-of-the-page-0123456789'

/** Requests that a browser sends at most until it has found the new process. */
const FEW = 3

test('each of ten viewers is at the new process within a few requests, however its connection was used', async (place) => {
  const admin = { listen: '127.0.0.1:0', token: { env: 'ADMIN_TOKEN' } }
  const { thinwire, last } = await startOne(place, { admin }, { ADMIN_TOKEN: TOKEN })
  const port = Number(/Page {7}http:\/\/127\.0\.0\.1:(\d+)/.exec(thinwire.err)?.[1])
  const visitor = async (): Promise<Visitor> => new Visitor(port, await signIn(port))
  const idle = await Promise.all([visitor(), visitor(), visitor(), visitor()])
  const lookers = await Promise.all([visitor(), visitor(), visitor()])
  const silent = await Promise.all([visitor(), visitor(), visitor()])
  const before = new Set(await Promise.all([...idle, ...lookers].map((one) => one.askStart())))
  assert.is(before.size, 1)
  for (const one of lookers) await one.look()
  for (const one of silent) await one.connect()
  // It keeps the old process from its end.
  const stream = await openHeld(place, thinwire)
  await replace(thinwire)
  const counts = await Promise.all(
    [...idle, ...lookers, ...silent].map(async (one) => {
      for (let count = 1; count <= FEW; count++) if (!before.has(await one.askStart())) return count
      return Number.POSITIVE_INFINITY
    }),
  )
  assert.ok(
    counts.every((count) => count <= FEW),
    String(counts),
  )
  for (const one of lookers) assert.is(await one.look(), 200)
  assert.not.ok(thinwire.lines.some(({ msg }) => msg === 'ended'))
  last.open()
  assert.ok((await stream.response()).complete)
  stream.destroy()
})

/** As a browser: a connection is used again, and one that was closed is not missed. */
class Visitor {
  private readonly port: number
  private readonly cookie: string
  private client: RawClient | null
  private count: number

  constructor(port: number, cookie: string) {
    this.port = port
    this.cookie = cookie
    this.client = null
    this.count = 0
  }

  async connect(): Promise<RawClient> {
    if (this.client !== null && this.client.ending === null) return this.client
    this.client = await RawClient.connect(this.port)
    this.count = 0
    return this.client
  }

  /** @returns when the process that answers has started */
  async askStart(): Promise<number> {
    const response = await this.ask('/api/session')
    assert.is(response.status, 200, response.body.toString())
    return (JSON.parse(response.body.toString()) as { startedAt: number }).startedAt
  }

  /** Looks at the live stream, which its connection is used for from then on. */
  async look(): Promise<number> {
    const client = await this.send('/api/live')
    await client.until(/\r\n\r\n/)
    return parseResponse(client.bytes)?.status ?? 0
  }

  private async ask(path: string): Promise<Response> {
    for (;;) {
      const client = await this.send(path)
      const number = this.count - 1
      await until(() => client.ending !== null || isAnswered(client, number), 'a response')
      if (isAnswered(client, number)) return client.response(number)
    }
  }

  private async send(path: string): Promise<RawClient> {
    const client = await this.connect()
    client.send(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1:${this.port}\r\n${this.cookie}\r\n\r\n`)
    this.count++
    return client
  }
}

function isAnswered(client: RawClient, number: number): boolean {
  return (client.text.match(/HTTP\/1\.1 \d+ /g) ?? []).length > number
}

async function signIn(port: number): Promise<string> {
  const origin = `http://127.0.0.1:${port}`
  const { headers } = await fetch(`${origin}/api/session`, {
    method: 'POST',
    headers: { origin, 'content-type': 'application/json' },
    body: JSON.stringify({ secret: TOKEN }),
  })
  return `cookie: ${headers.get('set-cookie')?.split(';', 1)[0]}`
}

test.run()
