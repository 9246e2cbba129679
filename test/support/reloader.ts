import { writeFileSync } from 'node:fs'
import { Reloader } from '../../src/app/reload.js'
import type { Upstream } from '../../src/upstream/upstream.js'
import { post, startRelay, type TestRelay } from './relay.js'
import { type Script, ScriptedUpstream, whole } from './upstream.js'

/** The name as the whole answer. */
export const answers =
  (name: string): Script =>
  (request) =>
    request.write(whole('200 OK', name))

export interface Running {
  readonly relay: TestRelay
  readonly reloader: Reloader
  readonly one: ScriptedUpstream
  readonly two: ScriptedUpstream
  /** Of each time that something was taken over. */
  readonly told: (readonly Upstream[])[]
  /** Writes another config, and has it read. */
  change(settings: Record<string, unknown> | string): void
  ask(body?: string): Promise<string>
}

/** A relay that goes to `one`, with a second upstream at hand. */
export async function withReloader(
  script: Script,
  act: (running: Running) => Promise<void>,
  second: Script = answers('two'),
): Promise<void> {
  const one = await ScriptedUpstream.start(script)
  const two = await ScriptedUpstream.start(second)
  const relay = await startRelay({ one: { baseUrl: one.url } })
  const { config, router, handler, lines } = relay
  const log = { info: note, warn: note, error: note, debug: note } as never
  function note(fields: Record<string, unknown>, msg: string): void {
    lines.push({ ...fields, msg })
  }
  const told: (readonly Upstream[])[] = []
  const file = config.file as string
  const source = { file, env: { UPSTREAM_KEY: 'sk-upstream-secret' }, cwd: '/' }
  const reloader = new Reloader({
    ...{ source, config, router, handler, log },
    onUpstreams: (upstreams) => told.push(upstreams),
    pollMs: 10,
  })
  const ask = async (body = '{"model":"m"}'): Promise<string> => {
    const response = await post(relay, '/v1/x', body)
    return response.body.toString()
  }
  const change = (settings: Record<string, unknown> | string): void => {
    const text =
      typeof settings === 'string' ? settings : JSON.stringify({ listen: '127.0.0.1:0', ...settings })
    writeFileSync(file, text)
    reloader.reload()
  }
  try {
    await act({ relay, reloader, one, two, told, change, ask })
  } finally {
    reloader.close()
    await Promise.all(reloader.upstreams.map((upstream) => upstream.destroy()))
    await relay.close()
    await one.close()
    await two.close()
  }
}

/** As an entry of the config, not connected to before it is asked. */
export const cold = (upstream: ScriptedUpstream): Record<string, unknown> => ({
  baseUrl: upstream.url,
  warm: false,
})
