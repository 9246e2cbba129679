import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { appendText, recordOf } from '../support/ledger.js'
import { clear, open, type Place, runUsage } from '../support/thinwire.js'

const test = suite<Place>('usage report --html')

test.before.each((place) => {
  open(place)
  const records = [
    { seq: 1, team: 'a', model: 'gpt-5', cost_usd: 1.5, prompt_tokens: 2_000_000, ttft_ms: 250 },
    { seq: 2, team: '<script>alert(1)</script>', model: `"'&`, cost_usd: 0.5, prompt_tokens: 1 },
    { seq: 3, team: 'b', status: 500, ts: '2026-01-02T09:00:00.000Z' },
  ]
  appendText(place, 'usage-2026-01-01.jsonl', records.map(recordOf).join(''))
})
test.after.each(clear)

/** Text of the cells of each row of a table. */
function rowsOf(html: string, caption: string): string[][] {
  const [, table = ''] = html.split(`<caption class="unseen">${caption}</caption>`)
  const [body = ''] = table.split('</table>')
  return [...body.matchAll(/<tr>(.*?)<\/tr>/gs)].map(([, row = '']) =>
    [...row.matchAll(/<t[dh][^>]*>(.*?)<\/t[dh]>/gs)].map(([, cell = '']) =>
      cell.replace(/<[^>]*>/g, '').trim(),
    ),
  )
}

test('writes one file without a script and without an address, and says where it is', async (place) => {
  const file = join(place.folder, 'usage.html')
  const { code, out, err } = await runUsage(place, ['report', '--html', file, '--from', '2026-01-01'])
  assert.is(code, 0, err)
  assert.is(out, `report: ${file}\n`)
  const html = readFileSync(file, 'utf8')
  assert.match(html, /^<!doctype html>/)
  assert.not.match(html, /<script|<img|<link|\ssrc=|\shref=|url\(|@import|\sstyle=|\son\w+="/)
  assert.match(html, /content="default-src &#39;none&#39;; style-src &#39;sha256-[A-Za-z0-9+/=]+&#39;"/)
  assert.match(html, /<h1>Usage from 2026-01-01 to now<\/h1>/)
  assert.is(statSync(file).mode & 0o777, 0o600)
  assert.equal(readdirSync(place.folder).sort(), ['data', 'usage.html'])
})

test('its tables have what the report has, and names are text', async (place) => {
  const file = join(place.folder, 'usage.html')
  await runUsage(place, ['report', '--html', file])
  const html = readFileSync(file, 'utf8')
  const [head, ...rows] = rowsOf(html, 'Usage by team')
  assert.equal(head?.slice(0, 7), ['Team', 'Requests', 'Errors', 'Prompt', 'Cached', 'Answer', 'Cost'])
  assert.equal(
    rows.map((row) => row.slice(0, 4)),
    [
      ['a', '1', '0', '2M'],
      ['&lt;script&gt;alert(1)&lt;/script&gt;', '1', '0', '1'],
      ['b', '1', '1', '–'],
      ['total', '3', '1', '2M'],
    ],
  )
  assert.equal(rowsOf(html, 'Usage by model')[2]?.[0], '&quot;&#39;&amp;')
  assert.equal(
    rowsOf(html, 'Usage by day').map(([name]) => name),
    ['Day', '2026-01-01', '2026-01-02', 'total'],
  )
  assert.match(html, /Most: \$2\.00 on 1 Jan/)
})

test('--by, --top and filters say what is in it', async (place) => {
  const file = join(place.folder, 'usage.html')
  const { code } = await runUsage(place, ['--html', file, '--by', 'team,end', '--top', '1', '--team', '*'])
  assert.is(code, 0)
  const html = readFileSync(file, 'utf8')
  assert.equal(
    rowsOf(html, 'Usage by team').map(([name]) => name),
    ['Team', 'a', '(others)', 'total'],
  )
  assert.equal(rowsOf(html, 'Usage by model'), [])
  assert.match(html, /team: \*/)
})

test('the same numbers come from rollups as from records', async (place) => {
  const texts: string[] = []
  for (const more of [['--no-rollups'], [], []]) {
    const file = join(place.folder, 'usage.html')
    const { code } = await runUsage(place, ['report', '--html', file, ...more])
    assert.is(code, 0)
    texts.push(readFileSync(file, 'utf8').replace(/Made [^<]*/, ''))
  }
  assert.ok(readdirSync(join(place.folder, 'data')).some((name) => name.startsWith('rollup-')))
  assert.is(texts[1], texts[0])
  assert.is(texts[2], texts[0])
})

test('an earlier report is replaced, and nothing else is', async (place) => {
  const file = join(place.folder, 'usage.html')
  writeFileSync(file, '<!DOCTYPE html>\nold')
  assert.is((await runUsage(place, ['report', '--html', file])).code, 0)
  assert.match(readFileSync(file, 'utf8'), /Usage of all days/)
  const other = join(place.folder, 'thinwire.json')
  writeFileSync(other, '{}')
  const refused = await runUsage(place, ['report', '--html', other])
  assert.is(refused.code, 2)
  assert.match(refused.err, /thinwire\.json is there and is no HTML file: choose another name/)
  assert.is(readFileSync(other, 'utf8'), '{}')
  mkdirSync(join(place.folder, 'folder'))
  assert.match(
    (await runUsage(place, ['report', '--html', join(place.folder, 'folder')])).err,
    /no regular file/,
  )
  symlinkSync(file, join(place.folder, 'link.html'))
  const linked = await runUsage(place, ['report', '--html', join(place.folder, 'link.html')])
  assert.is(linked.code, 2)
  assert.match(linked.err, /name a regular file, not a link/)
  const missing = await runUsage(place, ['report', '--html', join(place.folder, 'none', 'x.html')])
  assert.match(missing.err, /make its folder first/)
  assert.not.ok(existsSync(join(place.folder, 'none')))
})

test('--html and the other outputs exclude each other', async (place) => {
  for (const name of ['json', 'csv']) {
    const { code, err } = await runUsage(place, [
      'report',
      '--html',
      join(place.folder, 'x.html'),
      `--${name}`,
    ])
    assert.is(code, 2)
    assert.match(err, new RegExp(`--html and --${name} exclude each other`))
  }
  assert.match((await runUsage(place, ['report', '--html', '-'])).err, /--html takes the name of a file/)
  assert.not.ok(existsSync(join(place.folder, 'x.html')))
})

test.run()
