import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { checkOut, comparison } from '../../bench/against.js'
import { readOptions } from '../../bench/options.js'
import { selfTimes, topFunctions } from '../../bench/profile.js'
import type { Series } from '../../bench/results.js'

function series(contestant: string, values: number[]): Series {
  return { scenario: 'chunks', figure: 'delay', unit: 'us', contestant, values }
}

test('two commits are compared by the ratio of medians, and a difference beyond chance is marked', () => {
  const before = series('before', [10, 11, 10, 9, 10])
  assert.match(
    comparison([before, series('thinwire', [5, 5, 6, 5, 5])]).join('\n'),
    /10 us +5 us +0.5x .*\*$/,
  )
  assert.not.match(comparison([before, series('thinwire', [10, 10, 9, 11, 10])]).join('\n'), /\*/)
  // What one of them does not have is left out.
  assert.is(comparison([series('thinwire', [1])]).length, 1)
})

test('a commit that is not there is reported, and leaves no folder', () => {
  const before = process.env.TMPDIR
  const folder = mkdtempSync(join(tmpdir(), 'thinwire-test-'))
  process.env.TMPDIR = folder
  try {
    assert.throws(() => checkOut('no-such-commit', process.cwd()), /cannot check out no-such-commit: /)
    assert.equal(readdirSync(folder), [])
  } finally {
    if (before === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = before
    rmSync(folder, { recursive: true, force: true })
  }
})

test('the time of a profile goes to the functions that were running', () => {
  const frame = (id: number, functionName: string, url: string) => ({
    id,
    callFrame: { functionName, url, lineNumber: 9 },
  })
  const lines = selfTimes({
    nodes: [frame(1, 'write', ''), frame(2, 'peek', 'file:///a/http/peek.js'), frame(3, '', '')],
    samples: [1, 2, 2, 3],
    timeDeltas: [50, 20, 20, 10],
  })
  assert.equal(lines, [' 50.0 %  write', ' 40.0 %  peek http/peek.js:10', ' 10.0 %  (anonymous)'])
})

test('a folder without a profile is reported', () => {
  assert.throws(() => topFunctions('no-such-folder'), /has left no profile in no-such-folder/)
})

test('wrong options are answered with what would be right', () => {
  assert.throws(() => readOptions(['--rounds', 'many']), /--rounds takes a number from 1 to 100, not many/)
  assert.throws(() => readOptions(['--profile', '--against', 'HEAD']), /do not go together/)
  assert.throws(() => readOptions(['--fast']), /--fast/)
  assert.is(readOptions(['--help']), 'help')
})

test.run()
