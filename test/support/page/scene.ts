import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type IssuedKey, issueKey } from '../../../src/access/key-changes.js'
import type { Assets } from '../../../src/page/assets.js'
import { PageServer, type PageSettings } from '../../../src/page/page-server.js'
import { RawClient, type Response } from '../client.js'
import { createFakeSource, type FakeSource } from './fake-source.js'

export const TOKEN = 'operator-token-0123456789'

/** A page with a made-up relay behind it, two keys, and whoever asks it. */
export interface PageScene {
  readonly page: PageServer
  readonly port: number
  readonly source: FakeSource
  readonly keyFile: string
  readonly one: IssuedKey
  readonly other: IssuedKey
  readonly logged: string[]
  connect(): Promise<RawClient>
  /** Sends one request on a connection of its own. */
  ask(method: string, path: string, headers?: readonly string[], body?: string): Promise<Response>
  /** Signs in, and returns the header with the cookie. */
  signIn(secret?: string): Promise<string>
  close(): void
}

export interface SceneOptions {
  readonly settings?: Partial<PageSettings>
  readonly assets?: Assets | null
  readonly trustedProxies?: readonly string[]
  readonly tickMs?: number
}

export async function openPage(options: SceneOptions = {}): Promise<PageScene> {
  const folder = mkdtempSync(join(tmpdir(), 'thinwire-page-'))
  const keyFile = join(folder, 'keys.jsonl')
  const one = issueKey(keyFile, { env: 'test', team: 'team1', user: 'user1' })
  const other = issueKey(keyFile, { env: 'test', team: 'team2', user: 'user2' })
  const source = createFakeSource(keyFile, [one.record.id, other.record.id])
  const logged: string[] = []
  const note = (fields: Record<string, unknown>, message: string): void =>
    void logged.push(`${message} ${JSON.stringify(fields)}`)
  const { settings = {}, assets = null, trustedProxies = [], tickMs = 1_000 } = options
  const page = new PageServer({
    source,
    assets,
    settings: { token: TOKEN, hosts: [], ...settings },
    trustedProxies,
    log: { info: note, warn: note, error: note },
    tickMs,
  })
  const { port } = await page.listen({ host: '127.0.0.1', port: 0 })
  const clients: RawClient[] = []
  const connect = async (): Promise<RawClient> => {
    const client = await RawClient.connect(port)
    clients.push(client)
    return client
  }
  const ask = async (
    method: string,
    path: string,
    headers: readonly string[] = [],
    body = '',
  ): Promise<Response> => {
    const client = await connect()
    const host = headers.some((line) => /^host:/i.test(line)) ? [] : [`host: 127.0.0.1:${port}`]
    const length = body === '' ? [] : [`content-length: ${Buffer.byteLength(body)}`]
    client.send(
      `${[`${method} ${path} HTTP/1.1`, ...host, ...headers, ...length].join('\r\n')}\r\n\r\n${body}`,
    )
    const response = await client.response(0, method)
    client.destroy()
    return response
  }
  return {
    ...{ page, port, source, keyFile, one, other, logged, connect, ask },
    async signIn(secret = TOKEN) {
      const headers = [`origin: http://127.0.0.1:${port}`, 'content-type: application/json']
      const response = await ask('POST', '/api/session', headers, JSON.stringify({ secret }))
      const cookie = response.header('set-cookie')?.split(';', 1)[0]
      if (response.status !== 200 || cookie === undefined)
        throw new Error(`not signed in: ${response.status} ${response.body}`)
      return `cookie: ${cookie}`
    },
    close() {
      for (const client of clients) client.destroy()
      page.close()
      source.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Opens a page for a test, and closes it behind it. */
export async function withPage(
  options: SceneOptions,
  act: (scene: PageScene) => Promise<void>,
): Promise<void> {
  const scene = await openPage(options)
  try {
    await act(scene)
  } finally {
    scene.close()
  }
}
