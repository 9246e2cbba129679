import { Counter, type Registry } from 'prom-client'
import type { RequestSummary } from '../exchange/summary.js'

/** Nano-dollars of a dollar. */
const NANOS = 1_000_000_000

const KINDS = ['prompt', 'cached', 'completion', 'reasoning'] as const

/**
 * Counts finished requests and their tokens. Requests whose labels are all the same are added up until the next scrape:
 * a labelled counter of prom-client takes a key of text for each addition, and a request has six of them.
 */
export class RequestCounts {
  private readonly requests: Counter<'team' | 'dialect' | 'upstream' | 'status' | 'end' | 'cache'>
  private readonly phases: Counter<'phase'>
  private readonly tokens: Counter<'team' | 'upstream' | 'kind' | 'source'>
  private readonly cost: Counter<'team' | 'upstream'>
  private readonly unpriced: Counter<'team' | 'upstream'>
  private readonly rows: Map<string, Row>
  /** The row of the last request: the next one is often of the same. */
  private last: Row | null

  constructor(registry: Registry) {
    const registers = [registry]
    this.requests = new Counter({
      name: 'thinwire_requests_total',
      help: 'Finished requests, by how they ended.',
      labelNames: ['team', 'dialect', 'upstream', 'status', 'end', 'cache'],
      registers,
    })
    this.phases = new Counter({
      name: 'thinwire_request_phases_total',
      help: 'Finished requests, by the last phase that they reached.',
      labelNames: ['phase'],
      registers,
    })
    this.tokens = new Counter({
      name: 'thinwire_tokens_total',
      help: 'Tokens of finished requests. Cached tokens are included in prompt, reasoning tokens in completion.',
      labelNames: ['team', 'upstream', 'kind', 'source'],
      registers,
    })
    this.cost = new Counter({
      name: 'thinwire_cost_usd_total',
      help: 'US dollars of finished requests, as in the usage ledger. 0 for what the cache answered.',
      labelNames: ['team', 'upstream'],
      registers,
    })
    this.unpriced = new Counter({
      name: 'thinwire_unpriced_requests_total',
      help: 'Finished requests with tokens whose price is not known: thinwire_cost_usd_total lacks them.',
      labelNames: ['team', 'upstream'],
      registers,
    })
    this.rows = new Map()
    this.last = null
  }

  add(summary: RequestSummary): void {
    const { usage, source } = summary.usage
    const row = this.last?.matches(summary) === true ? this.last : this.find(summary)
    this.last = row
    row.requests += summary.requests
    // Refusals that were summed up have none, and those of the cache are in another record.
    if (usage === null || source === 'cache' || summary.requests > 1) return
    row.prompt += usage.prompt ?? 0
    row.cached += usage.cached ?? 0
    row.completion += usage.completion ?? 0
    row.reasoning += usage.reasoning ?? 0
    // The ledger has computed it; without a ledger there are no costs.
    if (summary.charge === null) return
    if (summary.charge.nano === null) row.unpriced++
    else row.dollars += Number(summary.charge.nano) / NANOS
  }

  /** Shows what was added. */
  show(): void {
    for (const row of this.rows.values()) {
      const { team, dialect, upstream, status, end, cache, phase, source } = row
      this.requests.inc({ team, upstream, dialect, end, cache, status }, row.requests)
      this.phases.inc({ phase }, row.requests)
      for (const kind of KINDS)
        if (row[kind] > 0) this.tokens.inc({ team, upstream, kind, source }, row[kind])
      if (row.dollars > 0) this.cost.inc({ team, upstream }, row.dollars)
      if (row.unpriced > 0) this.unpriced.inc({ team, upstream }, row.unpriced)
    }
    this.rows.clear()
    this.last = null
  }

  private find(summary: RequestSummary): Row {
    const row = new Row(summary)
    const { team, dialect, upstream, status, end, cache, phase, source } = row
    const key = `${team}\n${dialect}\n${upstream}\n${status}\n${end}\n${cache}\n${phase}\n${source}`
    const known = this.rows.get(key)
    if (known !== undefined) return known
    this.rows.set(key, row)
    return row
  }
}

/** Requests that have all labels in common. */
class Row {
  readonly team: string
  readonly dialect: string
  readonly upstream: string
  readonly status: number | ''
  readonly end: string
  readonly cache: string
  readonly phase: string
  readonly source: string
  requests: number
  prompt: number
  cached: number
  completion: number
  reasoning: number
  dollars: number
  unpriced: number

  constructor({ request, outcome, usage }: RequestSummary) {
    this.team = request.key?.team ?? ''
    this.dialect = request.api
    this.upstream = outcome.upstream ?? ''
    this.status = outcome.status ?? ''
    this.end = outcome.end ?? ''
    this.cache = outcome.cache ?? ''
    this.phase = outcome.phase
    this.source = usage.source
    this.requests = 0
    this.prompt = 0
    this.cached = 0
    this.completion = 0
    this.reasoning = 0
    this.dollars = 0
    this.unpriced = 0
  }

  matches({ request, outcome, usage }: RequestSummary): boolean {
    return (
      (request.key?.team ?? '') === this.team &&
      (outcome.upstream ?? '') === this.upstream &&
      (outcome.status ?? '') === this.status &&
      (outcome.end ?? '') === this.end &&
      (outcome.cache ?? '') === this.cache &&
      outcome.phase === this.phase &&
      usage.source === this.source &&
      request.api === this.dialect
    )
  }
}
