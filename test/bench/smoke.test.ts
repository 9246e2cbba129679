import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Results } from '../../bench/results.js'

function runBench(...options: string[]) {
  const run = fileURLToPath(new URL('../../bench/run.js', import.meta.url))
  return spawnSync(process.execPath, [run, '--smoke', ...options], {
    encoding: 'utf8',
    // Nothing is measured under coverage. Node passes the variable on by itself, unless it is set to something else. The
    // figures of a run with so few requests mean nothing, so its relays are not warmed up either.
    env: { ...process.env, NODE_V8_COVERAGE: '', THINWIRE_WARM_UP: 'off' },
    timeout: 250_000,
  })
}

test('the suite runs through, and every figure of it is one that can be', () => {
  const out = mkdtempSync(join(tmpdir(), 'thinwire-test-'))
  const { status, stderr } = runBench('--out', out)
  assert.is(status, 0, stderr)
  const results = JSON.parse(readFileSync(join(out, 'results.json'), 'utf8')) as Results
  const present = new Set(results.series.map((series) => series.contestant))
  for (const name of [
    'direct',
    'tunnel',
    'bare',
    'express',
    'constant',
    'uncached',
    'thinwire',
    'unmetered',
    'unlimited',
    'watched',
  ])
    assert.ok(present.has(name), name)
  // nginx may not be installed, and no release was named; all else has to be there.
  assert.equal(
    Object.keys(results.missing).filter((name) => name !== 'nginx' && name !== 'last'),
    [],
  )
  for (const series of results.series) {
    assert.is(series.values.length, 1, series.figure)
    for (const value of series.values) {
      assert.ok(Number.isFinite(value), `${series.contestant} ${series.figure}`)
      // What is added may be less than what the clocks can tell, and a process may have become smaller; all else was
      // more than nothing.
      const least = /added|rss_per_stream/.test(series.figure) ? Number.NEGATIVE_INFINITY : 0
      assert.ok(value >= least, `${series.contestant} ${series.figure} ${value}`)
    }
  }
  const figures = new Set(results.series.map((series) => `${series.scenario} ${series.figure}`))
  for (const verdict of results.verdicts)
    assert.ok(figures.has(`${verdict.scenario} ${verdict.figure}`), verdict.name)
  assert.ok(figures.has('metering cpu_per_chunk'))
  for (const figure of [
    'low-rate first_byte_added_p90',
    'burst chunk_delay_p99',
    'growth rss_per_stream_5000',
  ])
    assert.ok(figures.has(figure), figure)
  for (const scenario of ['hits', 'misses', 'joins', 'routing', 'targets', 'translated'])
    assert.ok(
      results.verdicts.some((verdict) => verdict.scenario === scenario),
      scenario,
    )
  if (process.platform !== 'linux') return
  for (const figure of ['delay_p50', 'delay_p99', 'cpu_per_chunk', 'cpu_per_request'])
    for (const prefix of ['', 'stalled_']) assert.ok(figures.has(`stalled_disk ${prefix}${figure}`), figure)
})

test('a run with a profile names the functions that take the time', () => {
  const out = mkdtempSync(join(tmpdir(), 'thinwire-test-'))
  const { status, stdout, stderr } = runBench('--profile', '--only', 'low-rate', '--out', out)
  assert.is(status, 0, stderr)
  assert.ok(stdout.includes(join(out, 'profiles')), stdout)
  assert.match(stdout, /^ *\d+\.\d % {2}\S/m)
})

test.run()
