import type { RequestSummary, SummarySink } from '../exchange/summary.js'
import type { Log } from './log.js'

/** OpenAI (Prompt caching, Requirements) and most others do not cache shorter prompts, so these are ignored. */
const MIN_TOKENS = 1024

/** Requests of a key before its usual share is known. */
const MIN_REQUESTS = 64

/** Weight of one request in the moving averages of the usual share and of the current share. */
const USUAL_WEIGHT = 1 / 64
const CURRENT_WEIGHT = 1 / 8

/** A usual share below this is too low for a warning. */
const MIN_SHARE = 0.2

/** Most keys that are watched; the least recently used is dropped first. */
const MAX_KEYS = 10_000

/**
 * Watches the share of each key's prompt tokens that upstreams read from their prompt caches, and logs a warning when
 * it falls to half of the usual share: the beginning of the prompts has changed, or requests go to another upstream.
 * Most of the cost depends on this share, and no response shows it.
 */
export class PromptCacheWatch implements SummarySink {
  private readonly log: Pick<Log, 'warn'>
  private readonly keys: Map<string, Share>

  constructor(log: Pick<Log, 'warn'>) {
    this.log = log
    this.keys = new Map()
  }

  /** Adds the cached share of a request to the averages of its key. */
  record(summary: Pick<RequestSummary, 'request' | 'usage'>): void {
    const { key } = summary.request
    const { usage, source } = summary.usage
    if (key === null || source !== 'upstream' || usage === null) return
    const { prompt, cached } = usage
    if (prompt === null || cached === null || prompt < MIN_TOKENS) return
    const share = this.keys.get(key.id) ?? new Share()
    this.keys.delete(key.id)
    this.keys.set(key.id, share)
    if (this.keys.size > MAX_KEYS) this.keys.delete(this.keys.keys().next().value as string)
    share.add(cached / prompt)
    if (!share.hasFallen()) return
    const [usual, now] = [share.usual, share.current].map((part) => Math.round(part * 100))
    const fields = { key: key.id, team: key.team, user: key.user, usual_percent: usual, percent: now }
    this.log.warn(
      fields,
      `${now} % of the prompts of ${key.team}/${key.user} come from upstream prompt caches; the usual share is ${usual} %`,
    )
  }
}

/** Moving averages of the cached share of one key, from 0 to 1. */
class Share {
  usual: number
  current: number
  private count: number
  private warned: boolean

  constructor() {
    this.usual = 0
    this.current = 0
    this.count = 0
    this.warned = false
  }

  add(share: number): void {
    this.count++
    // The plain mean at first.
    this.usual += (share - this.usual) * Math.max(USUAL_WEIGHT, 1 / this.count)
    this.current += (share - this.current) * Math.max(CURRENT_WEIGHT, 1 / this.count)
  }

  /** Whether the share has just fallen: true once for each fall. */
  hasFallen(): boolean {
    if (this.count < MIN_REQUESTS) return false
    if (this.current > 0.75 * this.usual) this.warned = false
    if (this.warned || this.usual < MIN_SHARE || this.current > this.usual / 2) return false
    this.warned = true
    return true
  }
}
