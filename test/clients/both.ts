import * as assert from 'uvu/assert'
import { startDemo } from '../../src/demo/server.js'
import { startRelay, type TestRelay } from '../support/relay.js'
import { type Script, ScriptedUpstream } from '../support/upstream.js'

/** One of the two ways from a client to an upstream. */
export interface Way {
  readonly name: 'direct' | 'relayed'
  /** Scheme, address and port; paths begin with `/v1`. */
  readonly origin: string
  readonly key: string
}

/** The same upstream straight and through a relay, so that what a client gets can be compared. */
export interface Both {
  readonly direct: Way
  readonly relayed: Way
  readonly relay: TestRelay
}

export interface BothScripted extends Both {
  readonly upstream: ScriptedUpstream
}

export interface BothOptions {
  /** How the relay shows its key to the upstream. */
  readonly auth?: 'bearer' | 'anthropic'
  /** Of the relay's config, besides its upstream. */
  readonly settings?: Record<string, unknown>
}

/** A provider key that no log, answer or error may show. */
export const UPSTREAM_KEY = 'sk-upstream-secret'

/** Runs a test against the demo upstream; everything is closed when it is over, also when it fails. */
export async function withDemo(run: (both: Both) => Promise<void>, options: BothOptions = {}): Promise<void> {
  const demo = await startDemo({ paceMs: 0 })
  try {
    await withRelay(demo.origin, options, run)
  } finally {
    await demo.close()
  }
}

/** Runs a test against an upstream that does what the script says, for each request of either way. */
export async function withScript(
  script: Script,
  run: (both: BothScripted) => Promise<void>,
  options: BothOptions = {},
): Promise<void> {
  const upstream = await ScriptedUpstream.start(script)
  try {
    await withRelay(`http://127.0.0.1:${upstream.port}`, options, (both) => run({ ...both, upstream }))
  } finally {
    await upstream.close()
  }
}

async function withRelay(
  origin: string,
  { auth = 'bearer', settings = {} }: BothOptions,
  run: (both: Both) => Promise<void>,
): Promise<void> {
  const relay = await startRelay(
    { up: { baseUrl: `${origin}/v1`, apiKey: { env: 'UPSTREAM_KEY' }, auth } },
    settings,
    { UPSTREAM_KEY },
  )
  try {
    await run({
      direct: { name: 'direct', origin, key: 'sk-direct' },
      relayed: { name: 'relayed', origin: `http://127.0.0.1:${relay.port}`, key: relay.key },
      relay,
    })
  } finally {
    await relay.close()
  }
}

/** What an official client's error tells its user. */
export interface Failure {
  readonly thrown: string
  readonly message: string
  readonly status: unknown
  readonly code: unknown
  readonly param: unknown
  readonly type: unknown
  readonly requestId: unknown
  readonly headers: Readonly<Record<string, string>>
}

/** The same result on both ways, but for what changes from one answer to the next. Gives the relayed one. */
export async function sameResult<T>(both: Both, run: (way: Way) => Promise<T>): Promise<T> {
  const expected = await run(both.direct)
  const actual = await run(both.relayed)
  assert.equal(normalised(actual), normalised(expected))
  return actual
}

/** The same error on both ways. Gives the relayed one. */
export async function sameFailure(both: Both, run: (way: Way) => Promise<unknown>): Promise<Failure> {
  const expected = await failureOf(() => run(both.direct))
  const actual = await failureOf(() => run(both.relayed))
  assert.equal(normalised(actual), normalised(expected))
  return actual
}

export async function failureOf(run: () => Promise<unknown>): Promise<Failure> {
  try {
    await run()
  } catch (error) {
    return describe(error)
  }
  throw new Error('it should have thrown')
}

function describe(error: unknown): Failure {
  if (!(error instanceof Error)) throw new Error('something was thrown that is no error')
  const told = error as unknown as Readonly<Record<string, unknown>>
  return {
    thrown: error.constructor.name,
    message: error.message,
    status: told.status,
    code: told.code,
    param: told.param,
    type: told.type,
    requestId: told.requestID,
    headers: told.headers instanceof Headers ? shared(told.headers) : {},
  }
}

/** Of one connection or one moment, or the relay's own addition (see http/headers.ts). */
const NOT_SHARED: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'date',
  'openai-processing-ms',
  'anthropic-ratelimit-requests-reset',
  // Put on where the upstream has none. A client tells it as its request id, which is compared by itself.
  'x-request-id',
  'server-timing',
  'access-control-allow-origin',
  'x-accel-buffering',
])

/** The headers of a response that have to be the same on both ways. */
export function shared(headers: Headers): Record<string, string> {
  return Object.fromEntries([...headers].filter(([name]) => !NOT_SHARED.has(name)))
}

const TIMES: ReadonlySet<string> = new Set(['created', 'created_at', 'completed_at'])

const IDS = /\b(chatcmpl-|cmpl-|resp_|msg_|call_|fc_|toolu_|req_)[0-9a-f]{24}\b/g

/** A value as JSON has it, with times at 0 and each random id as its kind and the order in which it first appeared. */
export function normalised(value: unknown): unknown {
  const names = new Map<string, string>()
  const text = JSON.stringify(value, (name, inner: unknown) =>
    TIMES.has(name) && typeof inner === 'number' ? 0 : inner,
  )
  return JSON.parse(
    text.replace(IDS, (id, kind: string) => {
      const name = names.get(id) ?? `${kind}${names.size}`
      names.set(id, name)
      return name
    }),
  )
}

/** `fetch` for a client's `fetch` option that counts how often it tried. */
export class Attempts {
  count = 0
  readonly fetch: typeof fetch = (input, init) => {
    this.count++
    return fetch(input, init)
  }
}

export async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of stream) items.push(item)
  return items
}
