import type { JsonObject } from '../json/values.js'
import { type CallPart, CallTracker } from './call-tracker.js'
import { type FormReader, readerOf } from './form-reader.js'
import { ObjectFacts } from './object-facts.js'
import { CALL_TOKENS, TokenEstimator } from './token-estimator.js'
import type { Usage } from './usage.js'
import { USAGE_FORMS, type UsageForm } from './usage-forms.js'
import { UsageTally } from './usage-tally.js'

/** What the body of one response said. None of its text is kept. */
export class ResponseStats {
  /** Events with data, the end mark included; 1 for a JSON response. */
  events: number
  /** Events that have text, reasoning, or arguments of a tool call. */
  deltas: number
  /** UTF-8 bytes of all text, reasoning and arguments. */
  textBytes: number
  /** Estimates the tokens of the same text, and of the tool calls around the arguments. */
  readonly estimator: TokenEstimator
  /** The upstream counted the tokens, so no estimate is needed. */
  skipEstimate: boolean
  toolCalls: number
  /** Part of the estimate for the names of tool calls and what stands around them. No event of text has these. */
  callTokens: number
  /** `performance.now()` of the first delta or tool call; null before it. A keep-alive or a role is neither. */
  firstTokenAt: number | null
  /** The forms that a usage object of the upstream may have. */
  readonly forms: FormReader
  /** `usage.completion` was sent when the answer began, and the final number has not come yet. */
  usageIsPartial: boolean
  finishReason: string | null
  /** Code or type of an error in the body. In a stream it comes with status 200. */
  error: string | null
  /** Errors in the body. */
  errors: number
  model: string | null
  /** The tier that was named last, in the upstream's word; null if none was. */
  tier: string | null
  /** Model and tier in one string. Events that match a template name those that the template was made from. */
  origin: string
  readonly object: ObjectFacts
  /** Events that are neither JSON nor an end mark, and events that are too long to be kept. */
  unparsed: number
  /** The body is JSON that was cut. What came of it was read. */
  isCut: boolean
  /**
   * Count of facts that are no text: usage, a finish reason, an error, a tool call. If an event leaves it unchanged,
   * the event said nothing but text.
   */
  nonTextFacts: number
  /** The last event was an end mark. */
  ended: boolean
  /** Null before the first usage. */
  private tally: UsageTally | null
  /** Null before the first tool call. */
  private calls: CallTracker | null
  /** Ids of the web searches; null before the first. */
  private searches: Set<string> | null
  /** What the tally said when it was last asked; undefined if it has taken more since. */
  private readUsage: Usage | null | undefined

  constructor(forms: readonly UsageForm[] = USAGE_FORMS) {
    this.events = 0
    this.deltas = 0
    this.textBytes = 0
    this.estimator = new TokenEstimator()
    this.skipEstimate = false
    this.toolCalls = 0
    this.callTokens = 0
    this.firstTokenAt = null
    this.forms = forms === USAGE_FORMS ? USUAL_READER : readerOf(forms)
    this.usageIsPartial = false
    this.finishReason = null
    this.error = null
    this.errors = 0
    this.model = null
    this.tier = null
    this.origin = ''
    this.object = new ObjectFacts()
    this.unparsed = 0
    this.isCut = false
    this.nonTextFacts = 0
    this.ended = false
    this.tally = null
    this.calls = null
    this.searches = null
    this.readUsage = null
  }

  /** The usage that the upstream sent so far; null if it sent none. */
  get usage(): Usage | null {
    if (this.readUsage === undefined) this.readUsage = this.tally?.read() ?? null
    return this.readUsage
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
    return this.estimator.takeText(value)
  }

  /** Counts a tool call. @param name empty if it is not known */
  addToolCall(name: string): void {
    this.toolCalls++
    this.nonTextFacts++
    if (this.firstTokenAt === null) this.firstTokenAt = performance.now()
    if (this.skipEstimate) return
    const { estimator } = this
    const before = estimator.tokens
    estimator.add(CALL_TOKENS)
    // In a name, the sign between two words is one token with the word behind it, as a space is.
    estimator.takeText(name.replace(/[_-]/g, ' '))
    estimator.add(0)
    this.callTokens += estimator.tokens - before
  }

  /** Counts a tool call if it begins with this part of it. */
  addCallPart(part: CallPart): void {
    // Whether such a part begins a call depends on its arguments, so no template may count it.
    if (part.index === null && part.id === '' && part.name !== '') this.nonTextFacts++
    this.calls ??= new CallTracker()
    if (this.calls.begins(part)) this.addToolCall(part.name)
  }

  setFinishReason(reason: string): void {
    this.finishReason = reason
    this.nonTextFacts++
  }

  setError(name: string): void {
    this.error = name
    this.errors++
    this.nonTextFacts++
  }

  /** Takes what a usage object says. @param forms that the object may have */
  takeUsage(usage: JsonObject, forms: FormReader): void {
    const tally = this.openTally()
    const tellsAnswer = tally.take(usage, forms)
    if (tellsAnswer === null) return
    this.nonTextFacts++
    if (tellsAnswer) this.usageIsPartial = false
  }

  setModel(model: string): void {
    if (model === this.model) return
    this.model = model
    this.origin = `${this.tier}\n${model}`
  }

  /** @param tier that served the request, named beside the usage */
  setTier(tier: string): void {
    if (tier === this.tier) return
    this.tier = tier
    this.origin = `${tier}\n${this.model}`
    this.openTally().setTier(tier)
  }

  /** Counts a web search that the upstream did. @param id by which a search that is reported twice is counted once */
  countSearch(id: string): void {
    this.nonTextFacts++
    this.searches ??= new Set()
    if (this.searches.size < MAX_SEARCHES) this.searches.add(id)
    this.takeSearches(this.searches.size)
  }

  /** @param searches all that the upstream did for the answer so far */
  takeSearches(searches: number): void {
    if (searches > 0) this.openTally().takeSearches(searches)
  }

  private openTally(): UsageTally {
    this.readUsage = undefined
    this.tally ??= new UsageTally()
    return this.tally
  }
}

const USUAL_READER = readerOf(USAGE_FORMS)

/** Searches of one answer that are counted one by one. */
const MAX_SEARCHES = 1_000
