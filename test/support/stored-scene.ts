import { type LogLine, startRelay, type TestRelay } from './relay.js'
import { StoredProvider } from './stored-provider.js'

/** What a client got. */
export interface Got {
  readonly status: number
  readonly text: string
  /** The body as JSON; null if it is none. */
  readonly body: Record<string, never> | null
  /** The id in it; empty if it has none. */
  readonly id: string
}

export type Ask = (method: string, path: string, body?: unknown, key?: string) => Promise<Got>

export interface StoredScene {
  readonly relay: TestRelay
  readonly first: StoredProvider
  readonly second: StoredProvider
  /** A key of another team than that of the relay. */
  readonly otherKey: string
  /** Sends a request with the relay's own key, or another one. */
  readonly ask: Ask
  /** The records with tokens, when so many requests are recorded: `METHOD-less path`, prompt and completion. */
  billed(count: number): Promise<string[]>
}

/** Runs a relay with a route to two providers, of which the second is for failover. */
export async function withProviders(
  act: (scene: StoredScene) => Promise<void>,
  settings: Record<string, unknown> = {},
  configPollMs: number | null = null,
): Promise<void> {
  const first = await StoredProvider.start('a')
  const second = await StoredProvider.start('b')
  const relay = await startRelay(
    { a: { baseUrl: first.url }, b: { baseUrl: second.url } },
    { routes: [{ targets: [{ upstream: 'a' }, { upstream: 'b' }], failover: true }], ...settings },
    {},
    configPollMs,
  )
  try {
    const otherKey = relay.key === '' ? '' : relay.addKey('other')
    const ask: Ask = (method, path, body, key) => send(relay.port, key ?? relay.key, method, path, body)
    const billed = async (count: number): Promise<string[]> => listBilled(await relay.records(count))
    await act({ relay, first, second, otherKey, ask, billed })
  } finally {
    await relay.close()
    await first.close()
    await second.close()
  }
}

/** The records that have tokens: path, prompt and completion. */
export function listBilled(records: readonly LogLine[]): string[] {
  return records
    .filter(({ prompt_tokens: prompt }) => prompt !== null)
    .map(
      (record) =>
        `${record.route} ${record.prompt_tokens}+${record.completion_tokens} ${record.usage_source}`,
    )
}

export async function send(
  port: number,
  key: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<Got> {
  const response = await fetch(`http://127.0.0.1:${port}/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  const parsed = text.startsWith('{') ? (JSON.parse(text) as Record<string, never>) : null
  return {
    status: response.status,
    text,
    body: parsed,
    id: parsed?.id ?? /"id":"(\w+)"/.exec(text)?.[1] ?? '',
  }
}
