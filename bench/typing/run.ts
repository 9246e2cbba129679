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
the cache and once past it, at the same time, and tells how they fared.

  --speed N      times as fast, with the upstream and the cache as much faster
  --seconds N    so much of the recording, from its beginning
  --client NAME  ${EDITORS.map(({ name }) => name).join(', ')}; may be given several times
  --right P      of words, how many the model guesses; 0.8 without it
  --json         one JSON object in place of the table

hit, prefix, join(ed), miss: what x-thinwire-cache said, in percent of all asks.
left: the client asked anew before anything came. got: the answer came whole
before that. first, all: p50/p95 of ms from asking to the first byte and to the
last, of what came.
`

interface Options {
  readonly speed: number
  readonly seconds: number
  readonly right: number
  readonly editors: readonly EditorKind[]
  readonly json: boolean
}

/** @throws Error with a line that says what is wrong */
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
  // Of the whole recording, also where only its beginning is typed: the model knows how it goes on.
  const upstream = await TypingUpstream.start({ finalText: finalText(readRecorded()), right, speed })
  const { cache: usual } = loadConfig({ env: {}, cwd: '/nonexistent' })
  const cache = { ttlMs: Math.max(1, Math.round(usual.ttlMs / speed)) }
  const relay = await thinwire('thinwire', ROOT, { cache }).start({
    placement: placeProcesses(),
    upstreamPort: upstream.port,
    upstream: null,
    thinwireFlags: [],
  })
  const key = Object.fromEntries(relay.headers.map((line) => line.split(/: /, 2)))
  const run = async (kind: EditorKind, wish: 'on' | 'off'): Promise<Row> => {
    // Of each its own, as the upstream counts by it.
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
      const told = `${facts.keys} keys in ${facts.seconds} s, typed at ${speed}x; ${Math.round(100 * right)}% of words guessed`
      for (const line of [told, '', ...typingTable(rows), '', ...savings(rows)])
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
