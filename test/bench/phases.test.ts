import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Running } from '../../bench/contestants.js'
import { recordPhases } from '../../bench/phases.js'
import { Recorder } from '../../bench/recorder.js'

function running(ledger: string | null): Running {
  return { name: 'thinwire', ledger } as unknown as Running
}

test('the phases are those of the requests that were sent meanwhile', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'thinwire-phases-'))
  const write = (file: string, ...lines: unknown[]): void =>
    appendFileSync(join(folder, file), lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  write('usage-2026-01-01.jsonl', { admit_us: 9_000, read_us: 9_000 })
  const record = new Recorder()
  const result = await recordPhases(record, 'requests', running(folder), async () => {
    write('usage-2026-01-01.jsonl', { admit_us: 10, read_us: null }, { admit_us: 30, read_us: null })
    // At midnight, and beside a journal of open requests.
    write('usage-2026-01-02.jsonl', { admit_us: 20, plan_us: 5 })
    write('open-w-1.1.jsonl', { admit_us: 7_000 })
    appendFileSync(join(folder, 'usage-2026-01-02.jsonl'), '{"admit_us":8000,')
    return 'sent'
  })
  rmSync(folder, { recursive: true })
  assert.is(result, 'sent')
  assert.equal(
    record.series.map(({ figure, values }) => [figure, values]),
    [
      ['phase_admit_p50', [20]],
      ['phase_plan_p50', [5]],
    ],
  )
})

test('a contestant without a ledger has no phases', async () => {
  const record = new Recorder()
  assert.is(await recordPhases(record, 'requests', running(null), async () => 'sent'), 'sent')
  assert.equal(record.series, [])
})

test.run()
