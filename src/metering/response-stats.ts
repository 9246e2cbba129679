import { ObjectFacts } from './object-facts.js'
import { TokenEstimator } from './token-estimator.js'
import type { Usage } from './usage.js'

/** What the body of one response said. None of its text is kept. */
export class ResponseStats {
  /** Events with data, the end mark included; 1 for a JSON response. */
  events: number
  /** Events that have text, reasoning, or arguments of a tool call. */
  deltas: number
  /** UTF-8 bytes of all text, reasoning and arguments. */
  textBytes: number
  /** Estimates the tokens of the same text. */
  readonly estimator: TokenEstimator
  /** The upstream counted the tokens, so no estimate is needed. */
  skipEstimate: boolean
  toolCalls: number
  /** `performance.now()` of the first delta or tool call; null before it. A keep-alive or a role is neither. */
  firstTokenAt: number | null
  /** The last usage that the upstream sent. Never a sum: some send it with every event, some send it twice. */
  usage: Usage | null
  /** `usage.completion` was sent when the answer began, and the final number has not come yet. */
  usageIsPartial: boolean
  finishReason: string | null
  /** Code or type of an error in the body. In a stream it comes with status 200. */
  error: string | null
  model: string | null
  readonly object: ObjectFacts
  /** Events that are neither JSON nor an end mark, and events that are too long to be kept. */
  unparsed: number
  /**
   * Count of facts that are no text: usage, a finish reason, an error, a tool call. If an event leaves it unchanged,
   * the event said nothing but text.
   */
  nonTextFacts: number
  /** The last event was an end mark. */
  ended: boolean

  constructor() {
    this.events = 0
    this.deltas = 0
    this.textBytes = 0
    this.estimator = new TokenEstimator()
    this.skipEstimate = false
    this.toolCalls = 0
    this.firstTokenAt = null
    this.usage = null
    this.usageIsPartial = false
    this.finishReason = null
    this.error = null
    this.model = null
    this.object = new ObjectFacts()
    this.unparsed = 0
    this.nonTextFacts = 0
    this.ended = false
  }

  /** Counts events with text. @param textBytes UTF-8 bytes of the text of all these events */
  addDeltas(events: number, textBytes: number): void {
    this.deltas += events
    this.textBytes += textBytes
    if (this.firstTokenAt === null) this.firstTokenAt = performance.now()
  }

  /**
   * Adds one field's text to the estimate.
   * @param value any value; only strings count
   * @returns UTF-8 bytes of the text
   */
  addText(value: unknown): number {
    if (typeof value !== 'string' || value === '') return 0
    if (this.skipEstimate) return Buffer.byteLength(value)
    const bytes = Buffer.from(value)
    this.estimator.takeAll(bytes)
    return bytes.length
  }

  addToolCall(): void {
    this.toolCalls++
    this.nonTextFacts++
    if (this.firstTokenAt === null) this.firstTokenAt = performance.now()
  }

  setFinishReason(reason: string): void {
    this.finishReason = reason
    this.nonTextFacts++
  }

  setError(name: string): void {
    this.error = name
    this.nonTextFacts++
  }

  /** Takes over the known fields of a later usage. Anthropic sends the prompt first and the completion last. */
  mergeUsage(latest: Usage): void {
    this.nonTextFacts++
    this.usageIsPartial = false
    const { usage } = this
    if (usage === null) {
      if (Object.values(latest).some((value) => value !== null)) this.usage = latest
      return
    }
    usage.prompt = latest.prompt ?? usage.prompt
    usage.cached = latest.cached ?? usage.cached
    usage.cacheWritten = latest.cacheWritten ?? usage.cacheWritten
    usage.completion = latest.completion ?? usage.completion
    usage.reasoning = latest.reasoning ?? usage.reasoning
    usage.details = latest.details ?? usage.details
  }
}
