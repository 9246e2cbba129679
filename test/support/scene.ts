import * as assert from 'uvu/assert'
import type { RawClient, Response } from './client.js'
import { auth, startRelay, type TestRelay } from './relay.js'
import { CHUNKED, head, type Received, type Script, ScriptedUpstream, SSE, whole } from './upstream.js'

/** The whole answer of an upstream that is not what a test is about. */
export const OK: Script = (request) => request.write(whole('200 OK', 'ok'))

const BYSTANDER = '/v1/bystander'

/** A relay in front of a scripted upstream, as one test sees them. */
export class Scene {
  readonly relay: TestRelay
  readonly upstream: ScriptedUpstream
  readonly clients: RawClient[] = []

  constructor(relay: TestRelay, upstream: ScriptedUpstream) {
    this.relay = relay
    this.upstream = upstream
  }

  /** Header lines of a request that is admitted. */
  get auth(): string {
    return auth(this.relay)
  }

  async client(): Promise<RawClient> {
    const client = await this.relay.client()
    this.clients.push(client)
    return client
  }

  /** Sends these bytes on a connection of their own. @returns the first answer, when it is whole */
  async ask(bytes: string | Buffer): Promise<Response> {
    const client = await this.client()
    client.send(bytes)
    const response = await client.response()
    client.destroy()
    return response
  }

  /** As `ask`, for a request that is to be answered with 200. @returns it as the upstream got it */
  async relayed(bytes: string | Buffer): Promise<Received> {
    const before = this.upstream.requests.length
    const response = await this.ask(bytes)
    assert.is(response.status, 200, response.body.toString())
    assert.is(this.upstream.requests.length, before + 1)
    return this.upstream.request(before)
  }

  /** Starts a stream of another client, that is to be disturbed by nothing. */
  async bystander(): Promise<Bystander> {
    const before = this.upstream.requests.length
    const client = await this.client()
    client.send(`GET ${BYSTANDER} HTTP/1.1\r\n${this.auth}\r\n`)
    const request = await this.upstream.request(before)
    await request.write(head('200 OK', SSE, CHUNKED))
    return new Bystander(client, request)
  }

  /** What the upstream was asked for, other than the bystander's stream. */
  get asked(): readonly Received[] {
    return this.upstream.requests.filter((request) => request.target !== BYSTANDER)
  }
}

class Bystander {
  private readonly client: RawClient
  private readonly request: Received
  private body = ''

  constructor(client: RawClient, request: Received) {
    this.client = client
    this.request = request
  }

  /** Sends one more event, which has to arrive. */
  async goesOn(): Promise<void> {
    const event = `data: ${this.body.length}\n\n`
    this.body += event
    await this.request.chunk(event)
    await this.client.sees(event)
  }

  /** Ends the stream, which has to arrive whole. */
  async ends(): Promise<void> {
    await this.goesOn()
    await this.request.lastChunk()
    const response = await this.client.response()
    assert.ok(response.complete, 'the other stream was cut')
    assert.is(response.body.toString(), this.body)
  }
}

/**
 * Runs a test's act against a relay, and closes everything after it, also if it failed.
 * @param settings of the config file
 * @param entry settings of the upstream
 */
export async function withRelay(
  script: Script,
  act: (scene: Scene) => Promise<void>,
  settings: Record<string, unknown> = {},
  entry: Record<string, unknown> = {},
): Promise<void> {
  const upstream = await ScriptedUpstream.start((request) =>
    request.target === BYSTANDER ? undefined : script(request),
  )
  let relay: TestRelay | null = null
  let scene: Scene | null = null
  try {
    relay = await startRelay(
      { up: { baseUrl: upstream.url, apiKey: { env: 'UPSTREAM_KEY' }, ...entry } },
      settings,
    )
    scene = new Scene(relay, upstream)
    await act(scene)
  } finally {
    for (const client of scene?.clients ?? []) client.destroy()
    try {
      await relay?.close()
    } finally {
      await upstream.close()
    }
  }
}

/** The counters of `/readyz`, asked over the wire. */
export async function boundsHit(scene: Scene): Promise<Record<string, number>> {
  const response = await scene.ask('GET /readyz HTTP/1.1\r\nhost: relay\r\n\r\n')
  const body = JSON.parse(response.body.toString()) as { bounds_hit: Record<string, number> }
  return body.bounds_hit
}
