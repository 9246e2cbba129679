import { test } from 'uvu'
import * as assert from 'uvu/assert'

/** Modules of the page that need no browser, as the build has compiled them. */
const BUILT = new URL('../../browser/page/browser/', import.meta.url)

type Format = (value: number | null) => string

const { formatCount, formatShort, formatMoney, formatMs, formatBytes, formatShare, formatAgo, ...others } =
  (await import(new URL('format.js', BUILT).href)) as {
    formatCount: Format
    formatShort: Format
    formatRate: Format
    formatStep: (stepMs: number) => string
    formatMoney: Format
    formatMs: Format
    formatBytes: Format
    formatShare: (part: number, whole: number) => string
    formatAgo: (at: number | null, now: number) => string
    Times: new (zone: string) => { zone: string; formatMoment: Format; formatClock: Format }
  }

const { formatRate, formatStep, Times } = others

interface Place {
  readonly view: string
  readonly range: string
  readonly filters: Readonly<Record<string, readonly string[]>>
}

const { readPlace, linkTo, queryOf, removeFilter } = (await import(new URL('place.js', BUILT).href)) as {
  readPlace: (search: string) => Place
  linkTo: (place: Place) => string
  queryOf: (place: Place, more?: Record<string, string>) => string
  removeFilter: (filters: Place['filters'], dimension: string, name: string) => Place['filters']
}

const { sortRows } = (await import(new URL('parts/table.js', BUILT).href)) as {
  sortRows: <Row>(rows: readonly Row[], columns: readonly unknown[], sort: unknown) => readonly Row[]
}

interface Second {
  readonly at: number
}

const { appendNow } = (await import(new URL('history.js', BUILT).href)) as {
  appendNow: (history: readonly Second[], now: Second) => readonly Second[]
}

const { jsx, toHtml } = (await import(new URL('report/static-jsx.js', BUILT).href)) as {
  jsx: (type: unknown, props: Record<string, unknown>) => unknown
  toHtml: (node: unknown) => string
}

const texts = (format: Format, values: readonly (number | null)[]): string[] => values.map(format)

test('numbers have units and few digits, and what is unknown is a dash', () => {
  assert.equal(texts(formatCount, [null, 0, 999, 12_345, 99_999, 1_234_567]), [
    '–',
    '0',
    '999',
    '12,345',
    '99,999',
    '1.23M',
  ])
  assert.equal(texts(formatShort, [0, 0.5, 999, 999.6, 12_345, 999_600, 5e12]), [
    '0',
    '0.5',
    '999',
    '1k',
    '12.3k',
    '1M',
    '5T',
  ])
  assert.equal(texts(formatMoney, [0, 1e4, 4.2e6, 1.5e9, 1234.5e9, 2e15]), [
    '$0.00',
    '<$0.0001',
    '$0.0042',
    '$1.50',
    '$1,235',
    '$2M',
  ])
  assert.equal(
    texts(formatMs, [null, 0.26, 12.34, 999.9, 1_250, 150_000, 240_000, 10_800_000, 864_000_000]),
    ['–', '260 µs', '12.3 ms', '1 s', '1.25 s', '2.5 min', '4 min', '3 h', '10 d'],
  )
  assert.equal(texts(formatRate, [null, 0, 0.0004, 0.0167, 0.996, 2.34, 12_345]), [
    '–',
    '0',
    '<0.001',
    '0.017',
    '1',
    '2.3',
    '12.3k',
  ])
  assert.equal([1_000, 60_000, 300_000, 3_600_000].map(formatStep), ['second', 'minute', '5 min', 'hour'])
  assert.equal(texts(formatBytes, [12, 1_500, 41_000_000]), ['12 B', '1.5 kB', '41 MB'])
  assert.equal(
    [formatShare(0, 0), formatShare(1, 3), formatShare(1, 50), formatShare(1, 1e6)],
    ['–', '33 %', '2 %', '<0.1 %'],
  )
})

test('moments are told by the zone of the relay, and by how long ago they are', () => {
  const at = Date.UTC(2026, 0, 3, 23, 4, 5)
  assert.is(new Times('Europe/Berlin').formatMoment(at), '4 Jan 2026, 00:04')
  assert.is(new Times('Europe/Berlin').formatClock(at), '00:04:05')
  assert.is(new Times('No/Such').zone, 'UTC')
  assert.equal(
    [at, at - 12_345, at - 150_000, at - 7_300_000, at + 90_000].map((moment) => formatAgo(moment, at)),
    ['now', '12 s ago', '3 min ago', '2 h ago', 'in 90 s'],
  )
})

test('a place is read from its link again, and a link cannot lead elsewhere', () => {
  for (const search of [
    '',
    '?view=latency&range=12h&team=a&team=b&model=x%20%26y',
    '?view=requests&errors=1&request=req-1',
    '?view=caches&range=1700000000000-1700000100000&by=team',
    `?view=spend&model=${encodeURIComponent('javascript:alert(1)//"><script>')}`,
  ]) {
    const place = readPlace(search)
    assert.equal(readPlace(linkTo(place)), place, search)
    assert.match(linkTo(place), /^\?view=[a-z]+(?:&[a-z]+=[\w.~*%+-]*)*$/)
  }
})

test('what a URL should not have in it is left out', () => {
  const place = readPlace('?view=__proto__&range=1y&nonsense=1&team=a&team=a')
  assert.is(place.view, 'now')
  assert.is(place.range, '2h')
  assert.equal(place.filters, { team: ['a'] })
  const many = Array.from({ length: 100 }, (_, i) => `team=t${i}`).join('&')
  assert.is(readPlace(`?${many}`).filters.team?.length, 20)
})

test('the query of the API has the range, the filters and what a view adds', () => {
  const place = readPlace('?view=latency&team=a&model=b%26c')
  assert.is(queryOf(place, { by: 'team' }), '?range=2h&by=team&team=a&model=b%26c')
  assert.equal(removeFilter(place.filters, 'team', 'a'), { model: ['b&c'] })
})

test('rows are sorted by numbers and by names, and unknown ones are last in both directions', () => {
  const columns = [{ name: 'n', value: (row: { n: number | string | null }) => row.n }]
  const rows = [{ n: 2 }, { n: null }, { n: 10 }, { n: 1 }]
  const by = (isDescending: boolean) => sortRows(rows, columns, { name: 'n', isDescending }).map(({ n }) => n)
  assert.equal(by(true), [10, 2, 1, null])
  assert.equal(by(false), [1, 2, 10, null])
  assert.equal(sortRows(rows, columns, { name: 'other', isDescending: true }), rows)
})

test('markup that is written to a file escapes all text and each attribute, and has no listener', () => {
  const Part = ({ name }: { name: string }): unknown =>
    jsx('b', { title: name, children: [name, null, false, 0] })
  const node = jsx('p', {
    onClick: () => {},
    hidden: true,
    tabIndex: 0,
    'aria-busy': false,
    children: jsx(Part, { name: `<'"&>` }),
  })
  const escaped = '&lt;&#39;&quot;&amp;&gt;'
  assert.is(
    toHtml(node),
    `<p hidden tabindex="0" aria-busy="false"><b title="${escaped}">${escaped}0</b></p>`,
  )
  assert.is(toHtml(jsx('svg', { viewBox: '0 0 1 1', children: undefined })), '<svg viewBox="0 0 1 1"></svg>')
})

test('the live seconds are each there once, in order, and go on when the clock of the relay is set back', () => {
  const gather = (ats: readonly number[]): number[] =>
    ats.reduce<readonly Second[]>((history, at) => appendNow(history, { at }), []).map(({ at }) => at)
  assert.equal(gather([1, 2, 2, 4]), [1, 2, 4])
  assert.equal(gather([10, 11, 12, 11, 12, 13]), [10, 11, 12, 13])
  assert.equal(gather([10, 11, 12, 3, 4]), [3, 4])
  const many = gather(Array.from({ length: 500 }, (_, at) => at))
  assert.equal([many.length, many[0], many.at(-1)], [300, 200, 499])
})

test.run()
