import type { LimitState } from '../../limits/counters/store.js'
import type { Meter, Meters } from '../shapes.js'
import type { View } from './endpoint.js'
import { toUsd } from './table-columns.js'

const MOST_METERS = 500

/** Meters that are collected before the emptiest are dropped. */
const MOST_COLLECTED = 4 * MOST_METERS

/** Where the counters of the limits stand. */
export const limitsView: View<Meters> = {
  async read({ source, parameters }) {
    parameters.end()
    let meters: Meter[] = []
    let count = 0
    for await (const states of source.limits.listStates()) {
      count += states.length
      meters.push(...states.map(toMeter))
      if (meters.length > MOST_COLLECTED) meters = takeFullest(meters)
    }
    return { meters: takeFullest(meters), isCut: count > MOST_METERS }
  },
  toTable({ meters }) {
    const columns = [
      'rule',
      'owner',
      'kind',
      'unit',
      'period',
      'limit',
      'used',
      'held',
      'reset_s',
      'observes',
    ]
    const rows = meters.map(({ rule, owner, kind, unit, period, limit, used, held, resetMs, observes }) => {
      const amounts = [limit, used, held].map((amount) => (unit === 'usd' ? toUsd(amount) : amount))
      return [rule, owner, kind, unit, period, ...amounts, Math.ceil(resetMs / 1_000), observes]
    })
    return { columns, rows }
  },
}

function toMeter({ rule, owner, kind, budget, limit, used, held, resetMs }: LimitState): Meter {
  return {
    rule: rule.name,
    owner: owner === '' ? 'all' : owner,
    kind,
    unit: budget?.unit ?? null,
    period: budget?.period ?? null,
    limit,
    used: Number(used),
    held,
    resetMs,
    observes: rule.observe,
  }
}

function takeFullest(meters: Meter[]): Meter[] {
  return meters.sort((one, other) => readShare(other) - readShare(one)).slice(0, MOST_METERS)
}

function readShare({ used, held, limit }: Meter): number {
  return limit === 0 ? 1 : (used + held) / limit
}
