import type { Reading } from './meter.js'
import type { Distribution, Series, Unit } from './results.js'
import { ascending, distributionPoints, median, quantile } from './statistics.js'

/** Records what the scenarios measure, round by round. */
export class Recorder {
  private readonly byKey = new Map<string, { series: Series; values: number[] }>()
  private readonly samples = new Map<
    string,
    { about: Omit<Distribution, 'count' | 'points'>; values: number[] }
  >()

  /** One value of one contestant in this round. */
  add(scenario: string, figure: string, unit: Unit, contestant: string, value: number): void {
    const key = `${scenario} ${figure} ${contestant}`
    let entry = this.byKey.get(key)
    if (entry === undefined) {
      const values: number[] = []
      entry = { series: { scenario, figure, unit, contestant, values }, values }
      this.byKey.set(key, entry)
    }
    entry.values.push(value)
  }

  /** The median and the 99th percentile of this round's samples, as `figure_p50` and `figure_p99`. */
  addQuantiles(
    scenario: string,
    figure: string,
    unit: Unit,
    contestant: string,
    samples: readonly number[],
  ): void {
    const sorted = ascending(samples)
    this.add(scenario, `${figure}_p50`, unit, contestant, quantile(sorted, 0.5))
    this.add(scenario, `${figure}_p99`, unit, contestant, quantile(sorted, 0.99))
  }

  /** A quantile of this round's samples in microseconds, as `figure_p90` for 0.9. */
  addQuantile(
    scenario: string,
    figure: string,
    q: number,
    contestant: string,
    samples: readonly number[],
  ): void {
    const name = `${figure}_p${Math.round(100 * q)}`
    this.add(scenario, name, 'us', contestant, quantile(ascending(samples), q))
  }

  /** Adds the CPU time of a relay for each unit of work, and the share of garbage collection. */
  addUse(
    scenario: string,
    figure: string,
    contestant: string,
    before: Reading,
    after: Reading,
    units: number,
  ): void {
    const cpuUs = after.cpuUs - before.cpuUs
    this.add(scenario, figure, 'us', contestant, cpuUs / units)
    if (before.gcUs === null || after.gcUs === null) return
    this.add(scenario, 'gc_share', '%', contestant, (100 * (after.gcUs - before.gcUs)) / cpuUs)
  }

  /** Adds how often threads woke up for each unit; nothing where the system does not count it. */
  addWakes(
    scenario: string,
    figure: string,
    unit: Unit,
    contestant: string,
    before: number | null,
    after: number | null,
    units: number,
  ): void {
    if (before !== null && after !== null)
      this.add(scenario, figure, unit, contestant, (after - before) / units)
  }

  /** Single samples of this round, for a plot. */
  spread(scenario: string, what: string, contestant: string, values: readonly number[]): void {
    const key = `${scenario} ${what} ${contestant}`
    let entry = this.samples.get(key)
    if (entry === undefined) {
      entry = { about: { scenario, what, unit: 'us', contestant }, values: [] }
      this.samples.set(key, entry)
    }
    for (const value of values) entry.values.push(value)
  }

  get series(): Series[] {
    return [...this.byKey.values()].map((entry) => entry.series)
  }

  get distributions(): Distribution[] {
    return [...this.samples.values()].map(({ about, values }) => ({
      ...about,
      count: values.length,
      points: distributionPoints(values),
    }))
  }

  /**
   * Adds a figure that is another one minus the median of `direct`. It is not the difference to `direct` in the same
   * round: that one may have two modes, such as a large prompt through loopback's buffers, and so would the difference.
   */
  deriveAdded(scenario: string, figure: string, added: string): void {
    const of = this.series.filter((series) => series.scenario === scenario && series.figure === figure)
    const direct = of.find((series) => series.contestant === 'direct')
    if (direct === undefined) return
    const without = median(direct.values)
    for (const { unit, contestant, values } of of) {
      if (contestant === 'direct') continue
      for (const value of values) this.add(scenario, added, unit, contestant, value - without)
    }
  }
}
