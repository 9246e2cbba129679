import { AnswerPart, type PartKind } from './answer-part.js'
import { AnswerWriter } from './answer-writer.js'
import type { ChatError } from './chat-errors.js'
import type { ChatUsage } from './chat-usage.js'
import type { FinishReason } from './response-writer.js'

/** Text that may stand behind a JSON value without changing it (RFC 8259, 2). */
const BLANK = /^[ \t\r\n]*$/

/**
 * Writes a stream in which one part ends before the next one begins: the output items of Responses, the content blocks
 * of Messages. Chat completions may mix the arguments of parallel calls, and send text between them. So whatever comes
 * while a call's arguments are incomplete waits until they are complete, or until the answer ends.
 *
 * A subclass prints; the order is kept here. Each call of the writer costs a constant time, but for the check whether
 * arguments are complete, which is made at most three times per call.
 */
export abstract class PartWriter extends AnswerWriter {
  /** The stream repeats the text of each part at its end, so that it has to be kept. */
  private readonly keepsText: boolean
  private parts: number
  private readonly callParts: AnswerPart[]
  /** The part that is open. */
  private current: AnswerPart | null
  /** The first part that waits; the others follow by `next`. */
  private waiting: AnswerPart | null
  private last: AnswerPart | null

  /** @param model the name for the response if the upstream gives none */
  constructor(model: string | null, idPrefix: string, keepsText: boolean) {
    super(model, idPrefix)
    this.keepsText = keepsText
    this.parts = 0
    this.callParts = []
    this.current = null
    this.waiting = null
    this.last = null
  }

  openCall(id: string, name: string, isCustom = false): number {
    const index = this.calls++
    if (this.over) return index
    this.begin(null, null, null)
    this.filled = true
    const part = new AnswerPart('call', id, name, isCustom)
    this.callParts.push(part)
    this.add(part)
    return index
  }

  callArguments(index: number, text: string): void {
    if (text === '' || this.over) return
    const part = this.callParts[index]
    if (part === undefined) return
    if (part === this.current) this.append(part, text)
    else if (!part.isClosed) this.hold(part, text)
    else if (part.isCustom || !BLANK.test(text)) this.fail(LATE_ARGUMENTS)
  }

  comment(text: string): void {
    if (!this.over) this.out += `${text}\n\n`
  }

  keepAlive(): void {
    if (!this.over) this.out += ': keep-alive\n\n'
  }

  finish(reason: FinishReason, usage: ChatUsage | null): void {
    if (this.over) return
    this.begin(null, null, null)
    while (this.current !== null || this.waiting !== null) this.openNext(reason)
    this.writeEnd(reason, usage)
    this.over = true
    this.bytesHeld = 0
  }

  fail(error: ChatError): void {
    if (this.over) return
    this.writeError(error)
    this.over = true
    this.bytesHeld = 0
  }

  /** Writes the beginning of a part, and sets its `id` and `head`. */
  protected abstract writeOpen(part: AnswerPart): void
  protected abstract writeDelta(part: AnswerPart, text: string): void
  /** Writes the end of a part. @param isCut the answer ends in it, and too early */
  protected abstract writeClose(part: AnswerPart, isCut: boolean): void
  protected abstract writeEnd(reason: FinishReason, usage: ChatUsage | null): void
  protected abstract writeError(error: ChatError): void

  protected write(kind: PartKind, text: string): void {
    if (text === '' || this.over) return
    const { current } = this
    if (current !== null && current.kind === kind && this.waiting === null) this.append(current, text)
    else this.writeElsewhere(kind, text)
  }

  /** Writes text that does not belong to the open part. */
  private writeElsewhere(kind: PartKind, text: string): void {
    this.begin(null, null, null)
    this.filled = true
    const { last } = this
    if (this.waiting !== null && last !== null && last.kind === kind) {
      this.hold(last, text)
      return
    }
    const part = new AnswerPart(kind)
    this.add(part)
    if (part === this.current) this.append(part, text)
    else this.hold(part, text)
  }

  /** Puts a part behind all others, and opens it if it need not wait. */
  private add(part: AnswerPart): void {
    const { last } = this
    if (last !== null) last.next = part
    this.last = part
    if (this.waiting !== null) return
    this.waiting = part
    this.openComplete()
  }

  private hold(part: AnswerPart, text: string): void {
    const isFirst = part.isEmpty
    part.hold(text)
    this.bytesHeld += text.length
    // That the next part fills is a hint that the open one is complete.
    if (isFirst && part === this.waiting) this.openComplete()
  }

  private append(part: AnswerPart, text: string): void {
    if (this.keepsText || part.kind === 'call') {
      part.hold(text)
      this.bytesHeld += text.length
    }
    this.writeDelta(part, text)
  }

  /** Opens the parts that wait, for as long as the one ahead is complete. */
  private openComplete(): void {
    while (this.waiting !== null && (this.current === null || this.current.isComplete()))
      this.openNext('stop')
  }

  /** Closes the open part, and opens the next one if there is any. */
  private openNext(reason: FinishReason): void {
    const { current, waiting } = this
    if (current !== null) {
      this.writeClose(current, waiting === null && (reason === 'length' || reason === 'content_filter'))
      current.isClosed = true
      this.drop(current)
    }
    this.current = waiting
    if (waiting === null) return
    this.waiting = waiting.next
    waiting.index = this.parts++
    this.writeOpen(waiting)
    if (!waiting.isEmpty) this.writeDelta(waiting, waiting.text)
    if (!this.keepsText && waiting.kind !== 'call') this.drop(waiting)
  }

  private drop(part: AnswerPart): void {
    // What the end repeats is held elsewhere then.
    if (!this.keepsText) this.bytesHeld -= part.text.length
    part.drop()
  }
}

/** The part is closed by then, as its input seemed complete: a tool must not run with a part of it. */
const LATE_ARGUMENTS: ChatError = {
  message:
    'The upstream went on with a tool call after its end. Try again, or switch parallel tool calls off.',
  type: 'server_error',
  param: null,
  code: 'upstream_unreadable',
}
