import { TokenEstimator } from './token-estimator.js'
import type { Usage } from './usage.js'

/** What passed by in one answer. Nothing of its text is kept. */
export class ResponseStats {
  /** Data events, the end mark included; 1 for a JSON answer. */
  events: number
  /** Events with text, reasoning or arguments of a tool call in them. */
  deltas: number
  /** UTF-8 bytes of that. */
  textBytes: number
  /** Tokens of that, by estimate. */
  readonly estimator: TokenEstimator
  /** Nobody will ask for the estimate. */
  skipEstimate: boolean
  toolCalls: number
  /** `performance.now()` of the first delta or tool call; 0 before. A keep-alive or a role is neither. */
  firstTokenAt: number
  /** The upstream's last word on it: never summed, as some send it with every event and some twice. */
  usage: Usage | null
  /** `usage.completion` was told when the answer began, and is not the last word on it. */
  usageIsPartial: boolean
  finishReason: string | null
  /** Code or type of an error within the stream, which has a status of 200. */
  error: string | null
  model: string | null
  /** Events that are neither JSON nor an end mark, or too long to be kept. */
  unparsed: number
  /** Goes up with everything that is said besides text: usage, a reason, an error, a tool call. */
  nonTextFacts: number
  /** The last event was one that ends a stream. */
  ended: boolean

  constructor() {
    this.events = 0
    this.deltas = 0
    this.textBytes = 0
    this.estimator = new TokenEstimator()
    this.skipEstimate = false
    this.toolCalls = 0
    this.firstTokenAt = 0
    this.usage = null
    this.usageIsPartial = false
    this.finishReason = null
    this.error = null
    this.model = null
    this.unparsed = 0
    this.nonTextFacts = 0
    this.ended = false
  }

  /** @param bytes of text in all of these events */
  addDeltas(events: number, bytes: number): void {
    this.deltas += events
    this.textBytes += bytes
    if (this.firstTokenAt === 0) this.firstTokenAt = performance.now()
  }

  /** What a delta says, or a part of it; anything but a text says nothing. @returns bytes of it */
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
    if (this.firstTokenAt === 0) this.firstTokenAt = performance.now()
  }

  addFinish(reason: string): void {
    this.finishReason = reason
    this.nonTextFacts++
  }

  addError(name: string): void {
    this.error = name
    this.nonTextFacts++
  }

  /** A later word replaces an earlier one, field by field: Anthropic tells the prompt first and the completion last. */
  addUsage(said: Usage): void {
    this.nonTextFacts++
    this.usageIsPartial = false
    const before = this.usage
    if (before === null) {
      if (Object.values(said).some((value) => value !== null)) this.usage = said
      return
    }
    before.prompt = said.prompt ?? before.prompt
    before.cached = said.cached ?? before.cached
    before.cacheWritten = said.cacheWritten ?? before.cacheWritten
    before.completion = said.completion ?? before.completion
    before.reasoning = said.reasoning ?? before.reasoning
  }
}
