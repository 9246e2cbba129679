import { writeFileSync } from 'node:fs'
import { post, startRelay, type TestRelay } from './relay.js'
import { type Script, ScriptedUpstream, whole } from './upstream.js'

/** A test reloads by itself: the file is not looked at before the test is over. */
const NEVER_MS = 3_600_000

/** Responds with the name as the whole body. */
export const answers =
  (name: string): Script =>
  (request) =>
    request.write(whole('200 OK', name))

export interface Running {
  readonly relay: TestRelay
  readonly one: ScriptedUpstream
  readonly two: ScriptedUpstream
  /** How many configs were put to use since the start. */
  reloads(): number
  /** Writes another config, and reloads it. */
  change(settings: Record<string, unknown> | string): void
  ask(body?: string): Promise<string>
}

/**
 * A relay that goes to `one`, with a second upstream at hand.
 * @param configPollMs how often the relay looks at its config file by itself
 */
export async function withReloader(
  script: Script,
  act: (running: Running) => Promise<void>,
  second: Script = answers('two'),
  configPollMs = NEVER_MS,
): Promise<void> {
  const one = await ScriptedUpstream.start(script)
  const two = await ScriptedUpstream.start(second)
  const env = { UPSTREAM_KEY: 'sk-upstream-secret' }
  const relay = await startRelay({ one: { baseUrl: one.url } }, {}, env, configPollMs)
  const reloads = (): number =>
    relay.lines.filter(({ msg }) => msg === 'the config was read again and is in use now').length
  const ask = async (body = '{"model":"m"}'): Promise<string> => {
    const response = await post(relay, '/v1/moderations', body)
    return response.body.toString()
  }
  const change = (settings: Record<string, unknown> | string): void => {
    const text =
      typeof settings === 'string' ? settings : JSON.stringify({ listen: '127.0.0.1:0', ...settings })
    writeFileSync(relay.config.file as string, text)
    relay.app.reload()
  }
  try {
    await act({ relay, one, two, reloads, change, ask })
  } finally {
    await relay.close()
    await one.close()
    await two.close()
  }
}

/** An entry of the config; the upstream is not connected before its first request. */
export const cold = (upstream: ScriptedUpstream): Record<string, unknown> => ({
  baseUrl: upstream.url,
  warm: false,
})
