import type { Budget, LimitRule } from '../../config/limit-rules.js'
import { groupDigits } from '../../ledger/price-rates.js'
import type { Whole } from '../../ledger/read/whole.js'
import { zoneOf } from '../../ledger/read/zone.js'
import { formatNanoUsd } from '../../lib/nano-usd.js'
import type { LimitState } from '../counters/store.js'

/** Formats amounts and times of rules for people. */

type Unit = Budget['unit'] | 'requests'

const NANOS = 1_000_000_000n

/** Digits after the point of a whole number of nano-dollars. */
const NANO_DIGITS = 9

/** Digits of an amount below one dollar that say something. */
const FEW_DIGITS = 3

/**
 * Formats an amount of money: `$1,500.00`, `$0.0123`. What is left out is cut off and not rounded: an amount below a
 * limit is not shown as the limit.
 * @param digits after the point at least, up to 9; see `countDigits`
 */
export function formatUsd(nano: Whole, digits = 2): string {
  const whole = BigInt(nano)
  const fraction = String(whole % NANOS).padStart(NANO_DIGITS, '0')
  const zeros = fraction.length - fraction.replace(/^0+/, '').length
  const kept = whole >= NANOS || zeros === NANO_DIGITS ? digits : Math.max(digits, zeros + FEW_DIGITS)
  const [most, least] = [Math.min(kept, NANO_DIGITS), Math.max(2, digits)]
  const shown = fraction.slice(0, most).replace(/0+$/, '').padEnd(least, '0')
  return `$${groupDigits(whole / NANOS)}.${shown}`
}

/** Digits after the point that an amount has, at least two: so many show all of a limit, and what is used beside it. */
export function countDigits(nano: Whole): number {
  const fraction = String(BigInt(nano) % NANOS).padStart(NANO_DIGITS, '0')
  return Math.max(2, fraction.replace(/0+$/, '').length)
}

/** What an amount counts. */
export function unitOf({ kind, budget }: Pick<LimitState, 'kind' | 'budget'>): Unit {
  return budget?.unit ?? (kind === 'tokens' ? 'tokens' : 'requests')
}

/** Formats an amount as a number of its unit, exactly: US dollars (`0.5`), tokens or requests. */
export function formatNumber(unit: Unit, value: Whole): string {
  return unit === 'usd' ? formatNanoUsd(value) : String(value)
}

/** The same as a number of JSON. */
export function toUnit(unit: Unit, value: Whole): number {
  return Number(formatNumber(unit, value))
}

/** Formats a share of a budget beside its amount, in the unit of it: `$3.50`, `12,000 tokens`. */
export function formatAmount({ unit, amount }: Budget, value: Whole): string {
  return unit === 'usd' ? formatUsd(value, countDigits(amount)) : `${groupDigits(value)} tokens`
}

/** Formats the amount of a budget: `$500.00 a month`. */
export function formatBudget(budget: Budget): string {
  const article = budget.period === 'hour' ? 'an' : 'a'
  return `${formatAmount(budget, budget.amount)} ${article} ${budget.period}`
}

/**
 * Formats a duration as OpenAI does in its headers: `6m0s`, `1.5s`, `120ms`.
 * @param ms rounded up to a whole number
 */
export function formatDuration(ms: number): string {
  const whole = Math.max(0, Math.ceil(ms))
  if (whole === 0) return '0s'
  if (whole < 1_000) return `${whole}ms`
  const [hours, minutes] = [Math.floor(whole / 3_600_000), Math.floor(whole / 60_000) % 60]
  const seconds = `${(whole % 60_000) / 1_000}s`
  if (hours > 0) return `${hours}h${minutes}m${seconds}`
  return minutes > 0 ? `${minutes}m${seconds}` : seconds
}

/**
 * Formats a moment as clocks in the zone of a rule show it: `2026-12-01 00:00 Europe/Berlin (UTC+01:00)`. The offset is
 * there because an hour comes twice when clocks go back.
 * @param at epoch milliseconds
 */
export function formatMoment(at: number, { timezone }: LimitRule): string {
  const second = Math.ceil(at / 1_000) * 1_000
  const zone = zoneOf(timezone)
  const text = new Date(second + zone.offsetAt(second)).toISOString()
  const time = `${text.slice(0, 10)} ${text.slice(11, text.endsWith(':00.000Z') ? 16 : 19)}`
  return timezone === 'UTC' ? `${time} UTC` : `${time} ${timezone} (UTC${zone.formatOffset(second)})`
}
