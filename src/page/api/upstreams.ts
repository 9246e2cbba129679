import type { TargetRow, Targets, TotalsRow } from '../shapes.js'
import type { TargetHealth } from '../source.js'
import { mergeHealth, WELL } from '../target-health.js'
import type { View } from './endpoint.js'
import { COUNT_COLUMNS, LATENCY_COLUMNS, listCounts, listLatencies } from './table-columns.js'

/** The health of each target, and what its upstream has answered. */
export const upstreamsView: View<Targets> = {
  async read({ session, source, parameters, now }) {
    const query = { range: parameters.readRange(now), filter: parameters.readFilter() }
    parameters.end()
    const [{ rows }, { targets }] = await Promise.all([
      source.sums.totals(query, 'upstream'),
      source.look({ all: false, keys: [] }),
    ])
    if (session.key === null) return { targets: listTargets(targets, rows) }
    // How upstreams are is the operators' business.
    return { targets: rows.map((row) => createRow(row.name, WELL, row)) }
  },
  toTable({ targets }) {
    const columns = ['name', 'state', 'opened_times', 'cooling_ms', 'refused', 'in_flight']
    return {
      columns: [...columns, ...COUNT_COLUMNS, ...LATENCY_COLUMNS],
      rows: targets.map(({ name, state, openedTimes, coolingMs, refused, inFlight, counts, latencies }) => [
        ...[name, state, openedTimes, coolingMs, refused, inFlight],
        ...listCounts(counts),
        ...listLatencies(latencies),
      ]),
    }
  },
}

/**
 * An upstream with several keys or models has several targets. What was counted is known of the upstream alone, so that
 * it stands in a row of its own then.
 */
function listTargets(
  targets: Readonly<Record<string, TargetHealth>>,
  totals: readonly TotalsRow[],
): TargetRow[] {
  const names = Object.keys(targets)
  const rows = names.map((name) => {
    const upstream = upstreamOf(name)
    const isOnly = names.filter((other) => upstreamOf(other) === upstream).length === 1
    const total = isOnly || name === upstream ? totals.find((row) => row.name === upstream) : undefined
    return createRow(name, targets[name] ?? WELL, total)
  })
  for (const total of totals) {
    const own = names.filter((name) => upstreamOf(name) === total.name)
    if (own.length < 2 || own.includes(total.name)) continue
    rows.push(createRow(total.name, mergeHealth(own.map((name) => targets[name] ?? WELL)), total))
  }
  return rows.sort((one, other) => (one.name < other.name ? -1 : 1))
}

/** `upstream#key/model` */
function upstreamOf(target: string): string {
  return target.split(/[#/]/, 1)[0] ?? target
}

function createRow(name: string, health: TargetHealth, total: TotalsRow | undefined): TargetRow {
  const { state, opened, cooling_ms, refused, in_flight } = health
  return {
    name,
    state,
    openedTimes: opened,
    coolingMs: Math.round(cooling_ms),
    refused,
    inFlight: in_flight,
    counts: total?.counts ?? null,
    latencies: total?.latencies ?? null,
  }
}
