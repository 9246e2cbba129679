import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Asked, asksOf, EDITORS, type EditorKind, replay } from '../../bench/typing/editor.js'
import { type Row, rowOf, savings, typingTable } from '../../bench/typing/figures.js'
import {
  finalText,
  formatSession,
  parseSession,
  play,
  readRecorded,
  strokeBetween,
} from '../../bench/typing/session.js'
import { ABOVE, BELOW, TYPED } from '../../bench/typing/text.js'
import { Typist } from '../../bench/typing/typist.js'
import { complete, questionOf, TypingUpstream } from '../../bench/typing/upstream.js'
import { startRelay } from '../support/relay.js'

const TEXT = `${ABOVE}${TYPED.replace(/[«»¶]/g, '')}${BELOW}`

test('a typist of the same seed types the same, whatever goes wrong ends as it should, and all of it is recorded', () => {
  for (const seed of [1, 2, 3]) {
    const typist = new Typist(seed)
    const keys = typist.type()
    let view = typist.start
    const strokes = keys.map((key, i) => {
      const stroke = strokeBetween(view, key, i)
      view = key
      return stroke
    })
    const session = parseSession(formatSession({ seed, start: typist.start, strokes }))
    assert.equal(
      [...play(session)].map(({ before, behind }) => [before, behind]),
      keys.map((key) => [key.before, key.behind]),
    )
    assert.is(finalText(session), TEXT)
    assert.equal(new Typist(seed).type(), keys)
  }
})

test('the recording is of its seed, and has slips, undone words, suggestions and moves in it', () => {
  const session = readRecorded()
  const typed = new Typist(session.seed).type()
  assert.equal(
    [...play(session)].map(({ before, behind }) => [before, behind]),
    typed.map((key) => [key.before, key.behind]),
  )
  const { strokes } = session
  const backspaces = strokes.filter(({ removed, inserted }) => removed === 1 && inserted === '')
  const undone = strokes.filter(({ removed, inserted }) => removed > 1 && inserted === '')
  const taken = strokes.filter(({ inserted }) => inserted.length > 1 && !inserted.startsWith('\n'))
  const moves = strokes.filter(({ removed, inserted }) => removed === 0 && inserted === '')
  for (const some of [backspaces, undone, taken, moves]) assert.ok(some.length >= 4, String(some.length))
  assert.ok(strokes.every(({ ms }, i) => ms > (strokes[i - 1]?.ms ?? 0)))
})

/** Each key waits for the answer to the one before, so that nothing depends on the clock. */
async function inStep(kind: EditorKind, right: number): Promise<{ all: Asked[]; row: Row }> {
  const upstream = await TypingUpstream.start({ finalText: TEXT, right, speed: 1_000 })
  const relay = await startRelay(`http://127.0.0.1:${upstream.port}/v1`, { cache: { ttlMs: 600_000 } })
  const headers = { authorization: `Bearer ${relay.key}` }
  const asks = asksOf(readRecorded(kind.debounceMs > 0 ? 60 : 12), kind, 'm')
  const all = await replay(asks, kind, relay, { pace: 'lockstep', headers })
  const row = rowOf(kind.name, 'on', all, upstream.asked.get('m') ?? 0, 1)
  await relay.close()
  upstream.close()
  return { all, row }
}

for (const kind of EDITORS) {
  test(`in step, what ${kind.name} asks again is answered from memory, and nothing else but what it typed of an answer`, async () => {
    const { all, row } = await inStep(kind, 0.8)
    const { hit, prefix, joined, miss } = row.outcomes
    assert.is(row.got, all.length)
    assert.is(hit + prefix + miss, all.length)
    assert.equal([joined, row.left, row.upstream], [0, 0, miss])
    const known = new Map<string, string>()
    let repeated = 0
    for (const { ask, outcome, text } of all) {
      const question = questionOf(ask.body)
      const own = complete(question, { finalText: TEXT, right: 0.8 }).tokens.join('')
      const id = JSON.stringify(ask.body)
      if (known.has(id)) repeated++
      if (known.has(id)) assert.is(text, known.get(id))
      else if (outcome === 'prefix') {
        const typed = [...known].some(([key, answer]) => {
          const { prompt } = JSON.parse(key) as { prompt: string }
          const more = ask.body.prompt.slice(prompt.length)
          return ask.body.prompt.startsWith(prompt) && more !== '' && answer === more + text
        })
        assert.ok(typed, `${JSON.stringify(text)} is the rest of nothing`)
      } else assert.equal([outcome, text], ['miss', own])
      known.set(id, text ?? '')
    }
    assert.ok(hit + prefix >= repeated, `${hit} of ${repeated} were answered from memory`)
    if (kind.onMove) assert.ok(repeated >= 5, `${repeated} were repeated`)
  })
}

test('past the cache every key goes upstream, and a client that asks again leaves its last answer', async () => {
  const [kind] = EDITORS as [EditorKind]
  const upstream = await TypingUpstream.start({ finalText: TEXT, right: 1, speed: 1 })
  const relay = await startRelay(`http://127.0.0.1:${upstream.port}/v1`)
  const headers = { authorization: `Bearer ${relay.key}`, 'x-thinwire-cache': 'off' }
  const asks = asksOf(readRecorded(3), kind, 'm').map((ask, i) => ({ ...ask, ms: 20 * i }))
  const all = await replay(asks, kind, relay, { pace: 1, headers })
  const row = rowOf(kind.name, 'off', all, upstream.asked.get('m') ?? 0, 1)
  assert.is(row.left + row.got, all.length)
  // No answer is as fast as these keys.
  assert.equal([row.got, row.outcomes.off, all.at(-1)?.outcome], [1, 1, 'off'])
  await relay.close()
  upstream.close()
})

test('the command tells each client with the cache and without, in a table of 80 columns, or as JSON', async () => {
  const command = fileURLToPath(new URL('../../bench/typing/run.js', import.meta.url))
  const run = promisify(execFile)
  const { stdout } = await run(process.execPath, [command, '--speed', '40', '--seconds', '20', '--json'], {
    timeout: 60_000,
  })
  const { rows, keys } = JSON.parse(stdout) as { rows: Row[]; keys: number }
  assert.equal(
    rows.map(({ client, cache }) => [client, cache]),
    EDITORS.flatMap(({ name }) => [
      [name, 'on'],
      [name, 'off'],
    ]),
  )
  assert.is(rows[0]?.asks, keys)
  for (const { asks, outcomes, left, got, upstream, cache } of rows) {
    const { hit, prefix, joined, miss, off } = outcomes
    assert.is(hit + prefix + joined + miss + off + left, asks)
    assert.ok(got >= 1 && got <= asks && upstream >= miss + off && upstream <= asks)
    if (cache === 'off') assert.is(hit + prefix + joined + miss, 0)
    else assert.is(off, 0)
  }
  const table = typingTable(rows)
  assert.is(table.length, rows.length + 1)
  for (const line of [...table, ...savings(rows)]) assert.ok(line.length <= 80, line)
  const wrong = await run(process.execPath, [command, '--speed', 'fast']).catch(
    (error: { code: number; stderr: string }) => error,
  )
  assert.equal(
    [(wrong as { code: number }).code, wrong.stderr],
    [2, 'typing: --speed takes a number above 0, up to 100, not fast\n'],
  )
})

test.run()
