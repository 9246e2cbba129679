import { type MetricObjectWithValues, type MetricValueWithName, Registry } from 'prom-client'
import { MERGE_RULES, type MergeRule } from './metric-rules.js'

/** A metric as `Metrics.list` has it. */
export type SentMetric = Pick<MetricObjectWithValues<MetricValueWithName<string>>, 'name' | 'help'> & {
  /** prom-client's type says number, and a registry gives text. */
  readonly type: unknown
  readonly values: readonly SentValue[]
}

/** A value of it: `metricName` is there for the parts of a histogram. */
export interface SentValue {
  readonly labels: Partial<Record<string, string | number>>
  readonly value: number
  readonly metricName?: string
}

/** A process that sends metrics. A worker that comes to its end, and the one in its place, have one name. */
export interface MetricsOrigin {
  /** The number of a worker, or `primary`. */
  readonly name: string
}

/** One series of a counter or a histogram. */
interface Count {
  readonly labels: SentValue['labels']
  readonly metricName: string | undefined
  /** What those have counted that are gone. */
  gone: number
  /** What each process has sent last. */
  readonly live: Map<MetricsOrigin, number>
  /** What was shown last: sums of fractions depend on their order, and must not go back by the last bit. */
  shown: number
}

interface Merged {
  readonly name: string
  readonly help: string
  readonly type: string
  readonly rule: MergeRule
  /** Null for gauges. */
  readonly counts: Map<string, Count> | null
  /** Of gauges, what each process has sent last. */
  readonly gauges: Map<MetricsOrigin, readonly SentValue[]>
}

/**
 * The metrics of several processes as those of one: see `MERGE_RULES`. Counters and histograms never go back, whatever
 * process ends, begins again, or does not send anything: what it has sent last stays counted.
 */
export class MergedMetrics {
  private readonly merged: Map<string, Merged>

  constructor() {
    this.merged = new Map()
  }

  take(process: MetricsOrigin, metrics: readonly SentMetric[]): void {
    for (const metric of metrics) {
      const merged = this.merged.get(metric.name) ?? this.open(metric)
      if (merged.counts === null) merged.gauges.set(process, metric.values)
      else for (const value of metric.values) count(merged.counts, process, value, merged.rule)
    }
  }

  /** A process has ended: what it has counted stays, its gauges do not. */
  end(process: MetricsOrigin): void {
    for (const { counts, gauges } of this.merged.values()) {
      gauges.delete(process)
      for (const each of counts?.values() ?? []) {
        each.gone += each.live.get(process) ?? 0
        each.live.delete(process)
      }
    }
  }

  /** All metrics in the text format of Prometheus. */
  render(): Promise<string> {
    const registry = new Registry()
    for (const { name, help, type, rule, counts, gauges } of this.merged.values()) {
      const values = counts === null ? mergeGauges(gauges, rule) : [...counts.values()].map(addUp)
      const metric = { name, help, type, get: async () => ({ name, help, type, values, aggregator: 'sum' }) }
      // The type of a metric is a union of prom-client's classes; the registry needs the name and `get` alone.
      registry.registerMetric(metric as unknown as Parameters<Registry['registerMetric']>[0])
    }
    return registry.metrics()
  }

  private open({ name, help, type }: SentMetric): Merged {
    const counts = type === 'gauge' ? null : new Map<string, Count>()
    const rule = MERGE_RULES[name] ?? 'each'
    const merged: Merged = { name, help, type: String(type), rule, counts, gauges: new Map() }
    this.merged.set(name, merged)
    return merged
  }
}

function count(counts: Map<string, Count>, process: MetricsOrigin, sent: SentValue, rule: MergeRule): void {
  const { value, metricName } = sent
  const labels = labelsOf(process, sent, rule)
  const key = keyOf(labels, metricName)
  let known = counts.get(key)
  if (known === undefined) {
    known = { labels, metricName, gone: 0, live: new Map(), shown: 0 }
    counts.set(key, known)
  }
  const before = known.live.get(process) ?? 0
  // It has begun again, as a target does that left the config and came back.
  if (value < before) known.gone += before
  known.live.set(process, value)
}

function addUp(each: Count): SentValue {
  let sum = each.gone
  for (const value of each.live.values()) sum += value
  each.shown = Math.max(each.shown, sum)
  return toValue(each.labels, each.shown, each.metricName)
}

function mergeGauges(gauges: ReadonlyMap<MetricsOrigin, readonly SentValue[]>, rule: MergeRule): SentValue[] {
  const values = new Map<string, SentValue>()
  for (const [process, list] of gauges)
    for (const sent of list) {
      const labels = labelsOf(process, sent, rule)
      const key = keyOf(labels, sent.metricName)
      const before = values.get(key)
      const value = before === undefined ? sent.value : combine(before.value, sent.value, rule)
      values.set(key, toValue(labels, value, sent.metricName))
    }
  return [...values.values()]
}

function combine(one: number, other: number, rule: MergeRule): number {
  if (rule === 'max') return Math.max(one, other)
  if (rule === 'min') return Math.min(one, other)
  if (rule === 'sum') return one + other
  // The one that came later has taken the place of the other.
  return rule === 'each' ? other : one
}

function labelsOf(process: MetricsOrigin, { labels }: SentValue, rule: MergeRule): SentValue['labels'] {
  return rule === 'each' ? { ...labels, worker: process.name } : labels
}

function toValue(labels: SentValue['labels'], value: number, metricName: string | undefined): SentValue {
  return metricName === undefined ? { labels, value } : { labels, value, metricName }
}

/** Whatever the order of the labels. */
function keyOf(labels: SentValue['labels'], metricName = ''): string {
  let key = metricName
  for (const name of Object.keys(labels).sort()) key += `\n${name}\n${labels[name]}`
  return key
}
