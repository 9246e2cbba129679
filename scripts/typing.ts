import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { finalText, formatSession, type Stroke, strokeBetween, type View } from '../bench/typing/session.js'
import { Typist } from '../bench/typing/typist.js'

// Makes bench/typing/session.jsonl, which the typing bench replays: a simulated typist types into a real file with real
// pauses, and the file is recorded after each key. This takes more than a minute.
//
//   npm run build && node dist/scripts/typing.js [--seed N] [--out FILE]

const { values } = parseArgs({ options: { seed: { type: 'string' }, out: { type: 'string' } } })
const seed = Number(values.seed ?? 1)
const typist = new Typist(seed)
const folder = mkdtempSync(join(tmpdir(), 'thinwire-typing-'))
const file = join(folder, 'summary.ts')
const strokes: Stroke[] = []
const startedAt = performance.now()
let view: View = typist.start
try {
  for (const { pause, before, behind } of typist.type()) {
    await setTimeout(pause)
    writeFileSync(file, before + behind)
    const ms = Math.round(performance.now() - startedAt)
    // As it is in the file, whose cursor only the editor knows.
    const text = readFileSync(file, 'utf8')
    const seen = { before: text.slice(0, before.length), behind: text.slice(before.length) }
    strokes.push(strokeBetween(view, seen, ms))
    view = seen
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
const session = { seed, start: typist.start, strokes }
if (finalText(session) !== view.before + view.behind) throw new Error('the recording ends with another text')
writeFileSync(
  values.out ?? new URL('../../bench/typing/session.jsonl', import.meta.url),
  formatSession(session),
)
const lines = (view.before + view.behind).split('\n').length
process.stdout.write(
  `${strokes.length} keys in ${(performance.now() - startedAt) / 1_000} s, ${lines} lines\n`,
)
