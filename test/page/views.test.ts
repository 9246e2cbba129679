import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { HOSTILE } from '../support/page/fake-source.js'
import { type PageScene, withPage } from '../support/page/scene.js'

const TABLES = [
  ['totals.csv?by=model', /^model,requests,errors,.*,cost_usd,/],
  ['series.csv?by=model&range=5m', /^from,name,requests/],
  ['spend.csv?by=model', /^by,name,today_usd,month_usd/],
  ['spend.csv', /^by,name,today_usd/],
  ['limits.csv', /^rule,owner,kind,unit,period,limit,used,held,reset_s,observes\r\nmonth,k_/],
  ['refusals.csv', /^code,count\r\nrate_limit_exceeded,17/],
  ['refusals.csv?table=rules', /^rule,reason,count,observed\r\neveryone,requests,12,false/],
  ['upstreams.csv', /^name,state,opened_times,cooling_ms,refused,in_flight,requests/],
  ['requests.csv?limit=100', /^id,at,key,owner,model/],
  ['keys.csv', /^id,env,team,user,created_at/],
] as const

test('every table is there as CSV, and a spreadsheet runs nothing of it', () =>
  withOperator(async (scene, cookie) => {
    for (const [path, begins] of TABLES) {
      const response = await scene.ask('GET', `/api/${path}`, [cookie])
      assert.is(response.status, 200, path)
      assert.match(response.body.toString(), begins)
      assert.match(response.header('content-type') ?? '', /^text\/csv/)
      assert.match(
        response.header('content-disposition') ?? '',
        /^attachment; filename="thinwire-[a-z]+\.csv"$/,
      )
      const rows = readCsv(response.body.toString())
      const [head] = rows
      assert.ok(rows.length > 1, path)
      for (const row of rows) {
        assert.is(row.length, head?.length, `${path}: ${row}`)
        for (const cell of row) assert.not.match(cell, /^[=+@\t]|^-[^\d]/, path)
      }
    }
    const totals = readCsv((await scene.ask('GET', '/api/totals.csv?by=model', [cookie])).body.toString())
    const names = totals.map(([name]) => name?.replace(/^'/, ''))
    for (const name of HOSTILE) assert.ok(names.includes(name), name)
  }))

test('hostile names are JSON text, and never a page', () =>
  withOperator(async (scene, cookie) => {
    for (const path of ['totals?by=model', 'requests', 'requests/tw-0-1']) {
      const response = await scene.ask('GET', `/api/${path}`, [cookie])
      assert.is(response.header('content-type'), 'application/json; charset=utf-8')
      assert.is(response.header('x-content-type-options'), 'nosniff')
      assert.match(response.body.toString(), '<script>')
      JSON.parse(response.body.toString())
    }
    for (const path of ['/<script>alert(1)</script>', '/%3Cscript%3E', '/sign-in?to=/"><script>']) {
      const response = await scene.ask('GET', path)
      assert.not.match(response.body.toString(), /<script/, path)
    }
  }))

/** Queries that are refused, and how. */
const WRONG: ReadonlyArray<readonly [path: string, message: RegExp]> = [
  ['series?range=5x', /^range: must be a length of time/],
  ['series?range=', /^range: must be a length of time/],
  ['series?range=91d', /^range: must be at most 90d/],
  ['series?range=0s', /^range: must be at most 90d/],
  ['series?range=2-1', /^range: must end after it begins/],
  ['series?range=0-9999999999999', /^range: must not be longer/],
  ['series?range=5m&range=1h', /^range: must be given once/],
  ['series?by=colour', /^by: must be one of team, user/],
  ['series?colour=red', /^colour: is not known here/],
  [`series?${'x'.repeat(60)}=1`, /^x{40}…: is not known here/],
  [`totals?model=${'m'.repeat(513)}`, /^model: must not be longer/],
  [
    `totals?${'team=a&'.repeat(10)}${Array.from({ length: 51 }, (_, i) => `team=${i}`).join('&')}`,
    /^team: must not be given more/,
  ],
  ['requests?limit=0', /^limit: must be a whole number from 1 to 200/],
  ['requests?limit=201', /^limit: must be/],
  ['requests?limit=1e2', /^limit: must be/],
  ['requests?before=<b>', /^before: must be the id/],
  ['requests?errors=true', /^errors: must be 1/],
  ['refusals?table=all', /^table: must be codes or rules/],
  ['spend?by=end', /^by: must be one of team, user, key, model, tag/],
  ['keys?x', /^x: is not known here/],
  ['session?x=1', /^x: is not known here/],
]
for (const [path, message] of WRONG)
  test(`a parameter that is wrong is named: ${path.slice(0, 50)}`, () =>
    withOperator(async (scene, cookie) => {
      const response = await scene.ask('GET', `/api/${path}`, [cookie])
      assert.is(response.status, 400)
      const { error } = JSON.parse(response.body.toString()) as { error: { code: string; message: string } }
      assert.is(error.code, 'bad_parameter')
      assert.match(error.message, message)
      assert.equal(scene.source.asked, [])
    }))

test('filters and ranges reach the sums as they were asked for', () =>
  withOperator(async (scene, cookie) => {
    await scene.ask('GET', '/api/totals?team=a&team=b&team=a&model=%3Cb%3E&user=&range=1000-2000', [cookie])
    const [asked] = scene.source.asked
    assert.equal(asked?.filter, { team: ['a', 'b'], user: [''], model: ['<b>'] })
    await scene.ask('GET', '/api/requests?errors=1&limit=3', [cookie])
  }))

test('an upstream with several targets has its counts in a row of its own', () =>
  withOperator(async (scene, cookie) => {
    const response = await scene.ask('GET', '/api/upstreams', [cookie])
    const { targets } = JSON.parse(response.body.toString()) as {
      targets: { name: string; state: string; inFlight: number; counts: object | null }[]
    }
    assert.equal(
      targets.map(({ name, state, inFlight, counts }) => [name, state, inFlight, counts !== null]),
      [
        ['azure', 'open', 1, true],
        ['azure#east', 'open', 0, false],
        ['azure#west', 'closed', 1, false],
        ['openai', 'closed', 3, true],
      ],
    )
  }))

test('the phases of a request follow each other, and end when it does', () =>
  withOperator(async (scene, cookie) => {
    const response = await scene.ask('GET', '/api/requests/tw-0-4', [cookie])
    const detail = JSON.parse(response.body.toString()) as {
      row: { totalMs: number }
      spans: { name: string; startUs: number; lengthUs: number; isOurs: boolean }[]
    }
    assert.equal(
      detail.spans.map(({ name }) => name),
      ['admit', 'upload', 'read', 'plan', 'attempt', 'upstream', 'respond', 'tokens'],
    )
    let end = 0
    for (const { startUs, lengthUs } of detail.spans) {
      assert.ok(startUs >= end)
      end = startUs + lengthUs
    }
    assert.is(end, detail.row.totalMs * 1_000)
    assert.is(
      detail.spans.filter(({ isOurs }) => isOurs).reduce((sum, { lengthUs }) => sum + lengthUs, 0),
      96,
    )
  }))

test('a request that no upstream responded to has waited for it until its end', () =>
  withOperator(async (scene, cookie) => {
    const response = await scene.ask('GET', '/api/requests/tw-0-5', [cookie])
    const { row, spans } = JSON.parse(response.body.toString()) as {
      row: { totalMs: number }
      spans: { name: string; startUs: number; lengthUs: number; isOurs: boolean }[]
    }
    assert.equal(
      spans.map(({ name }) => name),
      ['admit', 'upload', 'read', 'plan', 'attempt', 'upstream'],
    )
    const { startUs = 0, lengthUs = 0, isOurs } = spans.at(-1) ?? {}
    assert.equal([startUs + lengthUs, isOurs], [row.totalMs * 1_000, false])
  }))

function withOperator(act: (scene: PageScene, cookie: string) => Promise<void>): Promise<void> {
  return withPage({}, async (scene) => act(scene, await scene.signIn()))
}

/** Reads CSV by RFC 4180. */
function readCsv(text: string): string[][] {
  const rows: string[][] = []
  let row: string[] = []
  const cell = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/y
  while (cell.lastIndex < text.length) {
    const match = cell.exec(text)
    assert.ok(match, `no CSV at ${cell.lastIndex}`)
    const [, quoted, plain = '', end] = match ?? []
    row.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'))
    if (end === ',') continue
    rows.push(row)
    row = []
  }
  return rows
}

test.run()
