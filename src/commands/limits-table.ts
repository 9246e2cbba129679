import { groupDigits } from '../ledger/price-rates.js'
import { showText } from '../lib/visible-text.js'
import { formatAmount, toUnit, unitOf } from '../limits/responses/amount-text.js'
import { type CounterNow, type Overview, shareOf } from '../limits/snapshot/overview.js'
import { formatCost, shortenNumber } from './short.js'

const COLUMNS = 80
const HEAD = ['RULE', 'WHOSE', 'WHAT', 'USED', 'LIMIT', 'SHARE', 'RESETS'] as const

/** Columns of numbers stand at the right. */
const NUMBERS: readonly number[] = [3, 4, 5]

const NANOS = 1_000_000_000

/** Formats counters as a table of at most 80 columns. @param now epoch milliseconds */
export function formatCounters(counters: readonly CounterNow[], now: number): string {
  const rows: (readonly string[])[] = [HEAD]
  for (const counter of counters) {
    const { rule, limit, used, resetsAt } = counter
    rows.push([
      `${rule.name}${rule.observe ? '*' : ''}`,
      describeOwner(counter),
      describeWhat(counter),
      formatUse(counter, used),
      formatUse(counter, limit),
      `${shareOf(counter)}%`,
      counter.kind === 'concurrent' || (used === 0 && counter.budget === null)
        ? '-'
        : formatWait(resetsAt - now),
    ])
  }
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const taken = widths.slice(2).reduce((sum, width) => sum + width + 1, 1)
  widths.splice(0, 2, ...shareRoom(widths[0] ?? 0, widths[1] ?? 0, COLUMNS - taken))
  let text = ''
  for (const row of rows) {
    const cells = row.map((cell, i) => {
      const width = widths[i] ?? 0
      return NUMBERS.includes(i) ? cell.padStart(width) : fitCell(cell, width)
    })
    text += `${cells.join(' ').trimEnd()}\n`
  }
  return text
}

/** The first two columns share what the others leave: a short one keeps its width. */
function shareRoom(first: number, second: number, room: number): [number, number] {
  if (first + second <= room) return [first, second]
  const half = Math.floor(room / 2)
  if (first <= half) return [first, room - first]
  return second <= half ? [room - second, second] : [room - half, half]
}

function fitCell(cell: string, width: number): string {
  const safe = showText(cell)
  return safe.length > width ? `${safe.slice(0, width - 1)}…` : safe.padEnd(width)
}

export function describeOwner({ rule, owner }: Pick<CounterNow, 'rule' | 'owner'>): string {
  if (rule.per === 'pool') return 'all'
  return owner ?? `each ${rule.per}`
}

/** `USD/month`, `tokens/min`, `in flight` */
export function describeWhat({ kind, budget }: Pick<CounterNow, 'kind' | 'budget'>): string {
  if (budget !== null) return `${budget.unit === 'usd' ? 'USD' : 'tokens'}/${budget.period}`
  return kind === 'concurrent' ? 'in flight' : `${kind}/min`
}

function formatUse({ budget }: CounterNow, value: CounterNow['used']): string {
  return budget?.unit === 'usd' ? formatCost(Number(value) / NANOS, false) : shortenNumber(Number(value))
}

const SECOND_MS = 1_000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** In at most seven characters: `45s`, `12m`, `3h 20m`, `12d 3h`. */
export function formatWait(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / SECOND_MS))
  if (seconds < 120) return `${seconds}s`
  const rounded = seconds * SECOND_MS
  if (rounded < 2 * HOUR_MS) return `${Math.floor(rounded / MINUTE_MS)}m`
  const [days, hours] = [Math.floor(rounded / DAY_MS), Math.floor(rounded / HOUR_MS)]
  if (hours < 48) return `${hours}h ${Math.floor(rounded / MINUTE_MS) % 60}m`
  return `${days}d ${hours % 24}h`
}

/** Amounts in their own unit: US dollars, tokens, requests. */
export function toJson(counter: CounterNow): object {
  const { rule, owner, kind, budget, period, limit, used, held, resetsAt } = counter
  const unit = unitOf(counter)
  return {
    rule: rule.name,
    place: rule.place,
    per: rule.per,
    owner: rule.per === 'pool' ? null : owner,
    kind,
    unit,
    period: budget?.period ?? (kind === 'concurrent' ? null : 'minute'),
    period_name: period,
    limit: toUnit(unit, limit),
    used: toUnit(unit, used),
    held: toUnit(unit, held),
    share: shareOf(counter),
    resets_at: kind === 'concurrent' ? null : new Date(resetsAt).toISOString(),
    observe: rule.observe,
  }
}

/** One object, for a program. @param now epoch milliseconds */
export function formatCountersJson(
  { source, snapshot, liveness, problems }: Overview,
  counters: readonly CounterNow[],
  now: number,
): string {
  const relay =
    snapshot === null
      ? null
      : {
          writer: snapshot.writer,
          process: snapshot.pid,
          state: liveness,
          started: snapshot.started,
          written: snapshot.written,
          age_ms: Math.max(0, now - Date.parse(snapshot.written)),
          restored: snapshot.restored,
        }
  return `${JSON.stringify({ source, relay, counters: counters.map(toJson), problems })}\n`
}

/** What a person reads of an amount, exactly: `$12.50 of $50.00 used`. */
export function formatLeft({ budget, used, limit }: CounterNow): string {
  if (budget?.unit === 'usd') return `${formatAmount(budget, used)} of ${formatAmount(budget, limit)} used`
  return `${groupDigits(used)} of ${groupDigits(limit)} used`
}
