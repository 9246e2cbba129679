import { parseArgs } from 'node:util'
import { loadConfig } from '../../src/config/config.js'
import { ROOT, thinwire } from '../contestants.js'
import { placeProcesses } from '../machine.js'
import { asksOf, EDITORS, type EditorKind, replay } from './editor.js'
import { type Row, rowOf, savings, typingTable } from './figures.js'
import { finalText, readRecorded } from './session.js'
import { TypingUpstream } from './upstream.js'

const HELP = `npm run typing -- [options]

Types a recorded session again, as the clients of an editor see it, once through
the cache and once past it, at the same time, and prints a table of both.

  --speed N      N times as fast; the upstream and the cache are as much faster
  --seconds N    only the first N seconds of the recording
  --client NAME  ${EDITORS.map(({ name }) => name).join(', ')}; may be given several times
  --right P      share of words that the model guesses right; default 0.8
  --json         one JSON object instead of the table

hit, prefix, join(ed), miss: x-thinwire-cache, in percent of all requests.
left: the client sent its next request before the first byte. got: the whole
response came before that. first, all: p50/p95 of the time to the first byte
and to the last one, in ms.
`

interface Options {
  readonly speed: number
  readonly seconds: number
  readonly right: number
  readonly editors: readonly EditorKind[]
  readonly json: boolean
}

/** @throws Error whose message is one line about the wrong option */
function readOptions(args: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean', short: 'h' },
      speed: { type: 'string' },
      seconds: { type: 'string' },
      client: { type: 'string', multiple: true },
      right: { type: 'string' },
      json: { type: 'boolean' },
    },
  })
  if (values.help) return 'help'
  const number = (name: 'speed' | 'seconds' | 'right', otherwise: number, most: number): number => {
    const text = values[name]
    const value = text === undefined ? otherwise : Number(text)
    if (!(value > 0 && value <= most))
      throw new Error(`--${name} takes a number above 0, up to ${most}, not ${text}`)
    return value
  }
  const unknown = values.client?.find((name) => !EDITORS.some((kind) => kind.name === name))
  if (unknown !== undefined)
    throw new Error(`no client ${unknown}; there are ${EDITORS.map(({ name }) => name).join(', ')}`)
  return {
    speed: number('speed', 1, 100),
    seconds: number('seconds', 3_600, 3_600),
    right: number('right', 0.8, 1),
    editors: EDITORS.filter(({ name }) => values.client?.includes(name) ?? true),
    json: values.json ?? false,
  }
}

async function main(): Promise<number> {
  let options: Options | 'help'
  try {
    options = readOptions(process.argv.slice(2))
  } catch (error) {
    process.stderr.write(`typing: ${(error as Error).message}\n`)
    return 2
  }
  if (options === 'help') {
    process.stdout.write(HELP)
    return 0
  }
  const { speed, seconds, right, json } = options
  const session = readRecorded(seconds)
  const { strokes } = session
  const lastsMs = strokes.at(-1)?.ms ?? 0
  // The model knows the text of the whole recording, even if only its beginning is typed.
  const upstream = await TypingUpstream.start({ finalText: finalText(readRecorded()), right, speed })
  const { cache: usual } = loadConfig({ env: {}, cwd: '/nonexistent' })
  const cache = { ttlMs: Math.max(1, Math.round(usual.ttlMs / speed)) }
  const relay = await thinwire('thinwire', ROOT, { cache }).start({
    placement: placeProcesses(),
    upstreamPort: upstream.port,
    upstream: null,
    secure: null,
    thinwireFlags: [],
  })
  const key = Object.fromEntries(relay.headers.map((line) => line.split(/: /, 2)))
  const run = async (kind: EditorKind, wish: 'on' | 'off'): Promise<Row> => {
    // Each run has a model name of its own, because the upstream counts requests by model.
    const model = `${kind.name}-${wish}`
    const headers = wish === 'on' ? key : { ...key, 'x-thinwire-cache': 'off' }
    const all = await replay(asksOf(session, kind, model), kind, relay, { pace: speed, headers })
    return rowOf(kind.name, wish, all, upstream.asked.get(model) ?? 0, speed)
  }
  try {
    if (!json) process.stderr.write(`typing for ${Math.round(lastsMs / speed / 1_000)} s\n`)
    const rows = await Promise.all(options.editors.flatMap((kind) => [run(kind, 'on'), run(kind, 'off')]))
    const facts = {
      seconds: Math.round(lastsMs / 1_000),
      keys: strokes.length,
      seed: session.seed,
      speed,
      right,
    }
    if (json) process.stdout.write(`${JSON.stringify({ v: 1, ...facts, rows }, null, 1)}\n`)
    else {
      const summary = `${facts.keys} keys in ${facts.seconds} s, typed at ${speed}x; ${Math.round(100 * right)}% of words guessed`
      for (const line of [summary, '', ...typingTable(rows), '', ...savings(rows)])
        process.stdout.write(`${line}\n`)
    }
    return 0
  } finally {
    await relay.stop()
    upstream.close()
  }
}

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`typing: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
  return 2
})
