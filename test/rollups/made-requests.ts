import type { End } from '../../src/exchange/outcome.js'
import { Outcome } from '../../src/exchange/outcome.js'
import { RequestFacts } from '../../src/exchange/request-facts.js'
import { RequestSummary } from '../../src/exchange/summary.js'
import { Timeline } from '../../src/exchange/timeline.js'
import { Prices } from '../../src/ledger/prices.js'
import { KEY as KEY_RECORD } from '../support/key-record.js'
import { fc } from '../support/property.js'

/** A request, as a test thinks of it. */
export interface Made {
  readonly key: number | null
  readonly model: string | null
  readonly upstream: string | null
  readonly end: End
  readonly status: number | null
  readonly streamError: string | null
  readonly prompt: number | null
  readonly cached: number
  readonly completion: number | null
  readonly cache: 'hit' | 'joined' | 'prefix' | 'miss' | null
  readonly attempts: number
  readonly failures: string | null
  readonly overtaken: string | null
  readonly tags: string | null
  readonly requests: number
  readonly firstByteMs: number | null
  readonly firstTokenMs: number | null
  /** Whole milliseconds. */
  readonly totalMs: number
  /** Milliseconds before now at which it arrived. */
  readonly age: number
}

const MINUTE_MS = 60_000

/** Ages: of the last seconds, minutes, hours and days. */
const AGE = fc.oneof(
  fc.integer({ min: 0, max: 20_000 }),
  fc.integer({ min: 0, max: 5 * MINUTE_MS }),
  fc.integer({ min: 0, max: 47 * 60 * MINUTE_MS }),
  fc.integer({ min: 0, max: 80 * 24 * 60 * MINUTE_MS }),
)

const MS = fc.option(fc.integer({ min: 1, max: 90_000 }))

export const MADE: fc.Arbitrary<Made> = fc.record({
  key: fc.constantFrom(null, 1, 2, 3),
  model: fc.constantFrom(null, 'm1', 'm2', 'unpriced', 'sk-secretsecret'),
  upstream: fc.constantFrom(null, 'openai', 'azure'),
  end: fc.constantFrom('done', 'refused', 'client_gone', 'upstream_failed'),
  status: fc.constantFrom(null, 200, 429, 502),
  streamError: fc.constantFrom(null, null, 'overloaded'),
  prompt: fc.constantFrom(null, 0, 1_000, 2_000_000),
  cached: fc.constantFrom(0, 0, 500),
  completion: fc.constantFrom(null, 0, 7, 300),
  cache: fc.constantFrom(null, null, 'hit', 'joined', 'prefix', 'miss'),
  attempts: fc.constantFrom(0, 1, 2),
  failures: fc.constantFrom(null, 'azure 429'),
  overtaken: fc.constantFrom(null, null, 'azure'),
  tags: fc.constantFrom(null, null, 'project=a', 'project=a,ticket=b'),
  requests: fc.constantFrom(1, 1, 1, 5),
  firstByteMs: MS,
  firstTokenMs: MS,
  totalMs: fc.integer({ min: 0, max: 90_000 }),
  age: AGE,
})

export const PRICES = Prices.from('prices.json', {
  m1: { input_cost_per_token: 1e-6, output_cost_per_token: 4e-6, cache_read_input_token_cost: 1e-7 },
  m2: { input_cost_per_token: 3e-6, output_cost_per_token: 15e-6, cache_read_input_token_cost: 3e-7 },
})

/** The summary of a request. @param now epoch milliseconds */
export function summarize(made: Made, now: number, id = 'tw-1'): RequestSummary {
  const arrived = now - made.age
  const facts = new RequestFacts(id, { method: 'POST', rawHeaders: [] }, arrived)
  const { key } = made
  facts.key =
    key === null ? null : { ...KEY_RECORD, id: `k_${key}`, team: `team${key % 2}`, user: `user${key}` }
  facts.path = '/chat/completions'
  facts.model = made.model
  facts.tags = made.tags
  const timeline = new Timeline(1_000)
  timeline.admittedAt = 1_000.1
  if (made.firstByteMs !== null) {
    timeline.attemptStartedAt = 1_000.2
    timeline.sendMs = 0.05
    timeline.responseStartedAt = 1_000.2 + made.firstByteMs
    timeline.headArrivedAt = timeline.responseStartedAt
  }
  const outcome = new Outcome()
  const { end, status, upstream, cache, attempts, failures, overtaken } = made
  Object.assign(outcome, { phase: 'respond', end, status, upstream, cache, attempts, failures, overtaken })
  outcome.errorCode = end === 'refused' ? 'rate_limit_exceeded' : null
  const isShared = cache !== null && cache !== 'miss'
  const usage = {
    prompt: made.prompt,
    cached: made.cached === 0 || made.prompt === null ? null : Math.min(made.cached, made.prompt),
    ...{ cacheWritten: null, completion: made.completion, reasoning: null, details: null },
  }
  if (isShared) outcome.sharedUsage = { usage: { usage, source: 'upstream' }, upstream: 'openai' }
  const summary = new RequestSummary(facts, timeline, outcome, 1_000 + made.totalMs)
  const stats = {
    ...{ model: null, events: 1, unparsed: 0, toolCalls: 0, finishReason: null, error: made.streamError },
    firstTokenAt: made.firstTokenMs === null ? null : 1_000 + made.firstTokenMs,
  }
  Object.defineProperty(summary, 'stats', { value: stats })
  if (!isShared) Object.defineProperty(summary, 'usage', { value: { usage, source: 'upstream' } })
  Object.defineProperty(summary, 'closedAt', { value: arrived + made.totalMs })
  summary.requests = made.requests
  return summary
}
