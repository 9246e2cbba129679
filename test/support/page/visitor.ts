import * as assert from 'uvu/assert'
import type { Now } from '../../../src/page/shapes.js'
import { parseResponse, RawClient, type Response } from '../client.js'
import type { Thinwire } from '../thinwire.js'
import { until } from '../until.js'

/** Settings of a page whose token is in `ADMIN_TOKEN`. */
export const ADMIN = { listen: '127.0.0.1:0', token: { env: 'ADMIN_TOKEN' } }

export const ADMIN_TOKEN = 'token-of-the-page-0123456789'

/** The port of the page of a relay. */
export function pagePortOf({ err }: Thinwire): number {
  return Number(/Page {7}http:\/\/127\.0\.0\.1:(\d+)/.exec(err)?.[1])
}

/** Somebody who looks at a page. As in a browser, a connection is used again, and one that was closed is not missed. */
export class Visitor {
  private readonly port: number
  private readonly cookie: string
  private client: RawClient | null
  private count: number

  private constructor(port: number, cookie: string) {
    this.port = port
    this.cookie = cookie
    this.client = null
    this.count = 0
  }

  static async signIn(port: number, secret: string = ADMIN_TOKEN): Promise<Visitor> {
    const origin = `http://127.0.0.1:${port}`
    const { headers } = await fetch(`${origin}/api/session`, {
      method: 'POST',
      headers: { origin, 'content-type': 'application/json' },
      body: JSON.stringify({ secret }),
    })
    return new Visitor(port, `cookie: ${headers.get('set-cookie')?.split(';', 1)[0]}`)
  }

  /** The connection, which is opened if there is none. */
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

  async ask(path: string): Promise<Response> {
    for (;;) {
      const client = await this.send(path)
      const number = this.count - 1
      await until(() => client.ending !== null || isAnswered(client, number), 'a response')
      if (isAnswered(client, number)) return client.response(number)
    }
  }

  /** Looks at the live stream, for which its connection is used from then on. */
  async look(): Promise<RawClient> {
    const client = await this.send('/api/live')
    await client.until(/\r\n\r\n/)
    assert.is(parseResponse(client.bytes)?.status, 200)
    return client
  }

  private async send(path: string): Promise<RawClient> {
    const client = await this.connect()
    client.send(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1:${this.port}\r\n${this.cookie}\r\n\r\n`)
    this.count++
    return client
  }
}

/** The last message of a live stream; null if there is none yet. */
export function lastNow(client: RawClient): Now | null {
  const body = parseResponse(client.bytes)?.body.toString() ?? ''
  const data = [...body.matchAll(/^data: (.*)\n\n/gm)].at(-1)?.[1]
  return data === undefined ? null : (JSON.parse(data) as Now)
}

function isAnswered(client: RawClient, number: number): boolean {
  return (client.text.match(/HTTP\/1\.1 \d+ /g) ?? []).length > number
}
