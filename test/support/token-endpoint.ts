import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A request that a token endpoint got. */
export interface TokenAsked {
  readonly method: string
  readonly url: URL
  readonly headers: IncomingMessage['headers']
  readonly form: URLSearchParams
}

/** What a token endpoint answers; null to answer nothing. */
export interface TokenAnswer {
  readonly status?: number
  readonly body: string | object
  readonly headers?: Readonly<Record<string, string>>
}

/** A token endpoint on loopback that does what a test says. */
export class TokenEndpoint {
  readonly asked: TokenAsked[] = []
  private readonly server: Server

  private constructor(answer: (asked: TokenAsked, n: number) => TokenAnswer | null) {
    this.server = createServer((req, res) => {
      const chunks: Buffer[] = []
      req.on('data', (chunk: Buffer) => chunks.push(chunk))
      req.on('end', () => {
        const asked = {
          method: req.method ?? '',
          url: new URL(req.url ?? '/', 'http://endpoint'),
          headers: req.headers,
          form: new URLSearchParams(Buffer.concat(chunks).toString()),
        }
        this.asked.push(asked)
        const given = answer(asked, this.asked.length - 1)
        if (given === null) return
        const { status = 200, body, headers = { 'content-type': 'application/json' } } = given
        res.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body))
      })
    })
  }

  /** @param answer told of each request, and of its number from 0 */
  static async start(answer: (asked: TokenAsked, n: number) => TokenAnswer | null): Promise<TokenEndpoint> {
    const endpoint = new TokenEndpoint(answer)
    await new Promise<void>((resolve) => endpoint.server.listen(0, '127.0.0.1', resolve))
    return endpoint
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.server.closeAllConnections()
    await new Promise<void>((resolve) => this.server.close(() => resolve()))
  }
}
