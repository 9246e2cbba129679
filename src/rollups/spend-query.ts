import { Grouping, nameOfGroup } from './group-sums.js'
import { KEY } from './layout.js'
import { Pace } from './pace.js'
import type { Filter } from './query.js'
import {
  COUNTS,
  DIMENSIONS,
  type Spend,
  type SpendDimension,
  type SpendPeriod,
  type SpendRow,
} from './shapes.js'
import type { Store } from './store.js'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const WEEK_MS = 7 * DAY_MS

/** Most rows of a dimension. */
const MOST_ROWS = 200

/** Rows that are collected before the smallest are dropped. */
const MOST_COLLECTED = 4 * MOST_ROWS

/** What was spent. */
interface Spent {
  costNano: number
  tokens: number
  requests: number
  unpriced: number
}

/** What one series has spent in this month, and of it today. */
interface SeriesSpent {
  todayNano: number
  monthNano: number
  monthTokens: number
  monthRequests: number
}

/** Sums up money by the calendar. */
export async function querySpend(
  store: Store,
  filter: Filter,
  completeFrom: number | null,
): Promise<{ readonly spend: Spend; readonly keys: Map<string, SeriesSpent> }> {
  const pace = await Pace.begin()
  const { calendar, book, tags } = store
  const now = store.now()
  const ring = store.rings.hours
  const day = { from: calendar.startOfDay(now), to: calendar.endOfDay(now) }
  const month = calendar.monthOf(now)
  const starts = listDays(store, month.from, now)
  const days = starts.map((from) => ({ from, spent: createSpent() }))
  const [today, wholeMonth] = [createSpent(), createSpent()]
  const grouping = new Grouping(book, filter, null)
  const bySeries = new Map<number, SeriesSpent>()
  const hours = new HourCosts(now)
  // The counts are enough.
  const sums = new Float64Array(COUNTS.length)
  const first = ring.numberOf(Math.min(month.from, now - WEEK_MS - HOUR_MS))
  let dayAt = 0
  for (let number = first; number <= ring.numberOf(now); number++) {
    const at = ring.startOf(number)
    while (dayAt + 1 < days.length && (days[dayAt + 1]?.from ?? 0) <= at) dayAt++
    const isInMonth = at >= month.from
    const isToday = at >= day.from
    ring.sumUp(
      number,
      (series) => (grouping.groupOf(series) === null ? null : sums),
      (series) => {
        const spent = takeSpent(sums)
        hours.add(at, spent.costNano)
        if (!isInMonth) return
        addSpent(wholeMonth, spent)
        if (isToday) addSpent(today, spent)
        const ofDay = days[dayAt]
        if (ofDay !== undefined) addSpent(ofDay.spent, spent)
        addToSeries(bySeries, series, spent, isToday)
      },
    )
    if (pace.isTimeUp) await pace.rest()
  }
  const since = completeFrom ?? ring.oldestStart ?? now
  const knownSince = Math.max(since, ring.oldestStart ?? now)
  const period = (of: { from: number; to: number }, spent: Spent): SpendPeriod => ({
    ...of,
    ...spent,
    forecastNano: hours.forecast(spent.costNano, of.to, knownSince),
  })
  const byNames = DIMENSIONS.map(() => new Map<string, SeriesSpent>())
  for (const [series, spent] of bySeries) {
    const names = book.namesOf(series)
    for (let i = 0; i < names.length; i++) addRow(byNames[i], nameOfGroup(i, names), spent)
    if (pace.isTimeUp) await pace.rest()
  }
  const byTag = new Map<string, SeriesSpent>()
  for (const [at, { series, tag, costNano, tokens, requests }] of tags.list(month.from)) {
    if (pace.isTimeUp) await pace.rest()
    if (grouping.groupOf(series) === null) continue
    const todayNano = at >= day.from ? costNano : 0
    addRow(byTag, tag, { todayNano, monthNano: costNano, monthTokens: tokens, monthRequests: requests })
  }
  const rowsOf = (dimension: SpendDimension): Promise<SpendRow[]> =>
    listRows(dimension === 'tag' ? byTag : byNames[DIMENSIONS.indexOf(dimension)], pace)
  return {
    spend: {
      today: period(day, today),
      month: period(month, wholeMonth),
      by: {
        team: await rowsOf('team'),
        user: await rowsOf('user'),
        key: await rowsOf('key'),
        model: await rowsOf('model'),
        tag: await rowsOf('tag'),
      },
      days: days.map(({ from, spent }) => ({ from, costNano: spent.costNano, tokens: spent.tokens })),
    },
    keys: byNames[DIMENSIONS.indexOf('key')] ?? new Map(),
  }
}

/** The starts of the days from one moment to another. */
function listDays({ calendar }: Store, from: number, to: number): number[] {
  const starts: number[] = []
  for (let at = from; at <= to && starts.length < 40; at = calendar.endOfDay(at)) starts.push(at)
  return starts
}

function createSpent(): Spent {
  return { costNano: 0, tokens: 0, requests: 0, unpriced: 0 }
}

/** Reads what a cell says, and empties the sums. */
function takeSpent(sums: Float64Array): Spent {
  const read = (key: number): number => sums[key] as number
  const spent = {
    costNano: read(KEY.costNano),
    tokens: read(KEY.promptTokens) + read(KEY.completionTokens),
    requests: read(KEY.requests),
    unpriced: read(KEY.unpriced),
  }
  sums.fill(0)
  return spent
}

function addSpent(to: Spent, from: Spent): void {
  to.costNano += from.costNano
  to.tokens += from.tokens
  to.requests += from.requests
  to.unpriced += from.unpriced
}

function addToSeries(all: Map<number, SeriesSpent>, series: number, spent: Spent, isToday: boolean): void {
  let sum = all.get(series)
  if (sum === undefined) {
    sum = { todayNano: 0, monthNano: 0, monthTokens: 0, monthRequests: 0 }
    all.set(series, sum)
  }
  if (isToday) sum.todayNano += spent.costNano
  sum.monthNano += spent.costNano
  sum.monthTokens += spent.tokens
  sum.monthRequests += spent.requests
}

function addRow(rows: Map<string, SeriesSpent> | undefined, name: string, spent: SeriesSpent): void {
  const row = rows?.get(name)
  if (row === undefined) {
    rows?.set(name, { ...spent })
    return
  }
  row.todayNano += spent.todayNano
  row.monthNano += spent.monthNano
  row.monthTokens += spent.monthTokens
  row.monthRequests += spent.monthRequests
}

/** The largest. */
async function listRows(rows: Map<string, SeriesSpent> | undefined, pace: Pace): Promise<SpendRow[]> {
  let found: SpendRow[] = []
  for (const [name, spent] of rows ?? []) {
    found.push({ name, ...spent })
    if (found.length >= MOST_COLLECTED) found = takeLargest(found)
    if (pace.isTimeUp) await pace.rest()
  }
  return takeLargest(found)
}

function takeLargest(rows: SpendRow[]): SpendRow[] {
  return rows
    .sort(
      (a, b) => b.monthNano - a.monthNano || b.monthRequests - a.monthRequests || (a.name < b.name ? -1 : 1),
    )
    .slice(0, MOST_ROWS)
}

/** What the hours of the last week cost, for the forecast. */
class HourCosts {
  private readonly now: number
  /** By full hours before now. */
  private readonly costs: number[]

  constructor(now: number) {
    this.now = now
    this.costs = new Array<number>(WEEK_MS / HOUR_MS).fill(0)
  }

  /** @param at start of an hour */
  add(at: number, costNano: number): void {
    const age = Math.floor((this.now - at) / HOUR_MS)
    // The hour that goes on is not over, and would make the forecast too low.
    if (age >= 1 && age <= this.costs.length) this.costs[age - 1] = (this.costs[age - 1] ?? 0) + costNano
  }

  /**
   * What it comes to at the end: each hour to come is as the same hour of the last week was, or, as long as there is no
   * whole week, as the hours so far were on average.
   * @param knownSince from when on all costs are known
   * @returns null with less than a day
   */
  forecast(spentNano: number, end: number, knownSince: number): number | null {
    const known = Math.min(this.costs.length, Math.floor((this.now - knownSince) / HOUR_MS))
    if (known < 24) return null
    const left = Math.max(0, (end - this.now) / HOUR_MS)
    if (known < this.costs.length) {
      const sum = this.costs.slice(0, known).reduce((all, one) => all + one, 0)
      return Math.round(spentNano + (sum / known) * left)
    }
    let nano = spentNano
    // The hour from now on is the one that began a week ago, less a moment.
    for (let hour = 0; hour < left; hour++) {
      const cost = this.costs[this.costs.length - 1 - (hour % this.costs.length)] ?? 0
      nano += cost * Math.min(1, left - hour)
    }
    return Math.round(nano)
  }
}
