import type { RequestSummary, SummarySink } from '../exchange/summary.js'
import type { Log } from './log.js'

/** Shorter prompts are not cached by OpenAI (Prompt caching, Requirements) and most others, and say nothing. */
const LEAST_TOKENS = 1024

/** Before so many requests of a key there is no saying what is usual for it. */
const LEAST_REQUESTS = 64

/** What one request weighs in what is usual, and in what is now. */
const USUAL = 1 / 64
const NOW = 1 / 8

/** A share that is lower is not worth a word when it falls. */
const LEAST_SHARE = 0.2

/** Keys that are watched; those that were heard of longest ago go first. */
const MOST_KEYS = 10_000

/**
 * Watches which share of its prompts each key has served from the upstreams' prompt caches, and tells the log when that falls to
 * half of what it was: something at the beginning of the prompts has changed, or requests go to another upstream than before. It is
 * what most of a bill turns on, and nobody sees it.
 */
export class PromptCacheWatch implements SummarySink {
  private readonly log: Pick<Log, 'warn'>
  private readonly keys: Map<string, Share>

  constructor(log: Pick<Log, 'warn'>) {
    this.log = log
    this.keys = new Map()
  }

  record(summary: Pick<RequestSummary, 'request' | 'usage'>): void {
    const { key } = summary.request
    const { usage, source } = summary.usage
    if (key === null || source !== 'upstream' || usage === null) return
    const { prompt, cached } = usage
    if (prompt === null || cached === null || prompt < LEAST_TOKENS) return
    const share = this.keys.get(key.id) ?? new Share()
    this.keys.delete(key.id)
    this.keys.set(key.id, share)
    if (this.keys.size > MOST_KEYS) this.keys.delete(this.keys.keys().next().value as string)
    share.add(cached / prompt)
    if (!share.hasFallen()) return
    const [usual, now] = [share.usual, share.now].map((part) => Math.round(part * 100))
    const fields = { key: key.id, team: key.team, user: key.user, usual_percent: usual, percent: now }
    this.log.warn(
      fields,
      `${now} % of the prompts of ${key.team}/${key.user} come from upstream prompt caches, in place of ${usual} %`,
    )
  }
}

class Share {
  usual: number
  now: number
  private count: number
  private told: boolean

  constructor() {
    this.usual = 0
    this.now = 0
    this.count = 0
    this.told = false
  }

  add(share: number): void {
    this.count++
    // At the beginning, the plain mean.
    this.usual += (share - this.usual) * Math.max(USUAL, 1 / this.count)
    this.now += (share - this.now) * Math.max(NOW, 1 / this.count)
  }

  /** True once for each fall. */
  hasFallen(): boolean {
    if (this.count < LEAST_REQUESTS) return false
    if (this.now > 0.75 * this.usual) this.told = false
    if (this.told || this.usual < LEAST_SHARE || this.now > this.usual / 2) return false
    this.told = true
    return true
  }
}
