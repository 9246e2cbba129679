import type { BodyApi } from '../../api/apis.js'
import { AnswerPart, type PartKind } from './answer-part.js'
import { AnswerWriter } from './answer-writer.js'
import type { ChatError } from './chat-errors.js'
import type { ChatUsage } from './chat-usage.js'
import { printErrorBody } from './error-bodies.js'
import type { FinishReason } from './response-writer.js'

/** Gathers an answer that the client reads as a whole body. Comments and pings are not part of it. */
export abstract class WholeWriter extends AnswerWriter {
  /** Each stretch of text, reasoning or refusal, and each call, in their order. */
  protected readonly parts: AnswerPart[]
  private readonly api: BodyApi
  private readonly callParts: AnswerPart[]

  /**
   * @param api whose form an error has
   * @param idPrefix what ids of this API begin with
   * @param model the name for the response if the upstream gives none
   */
  constructor(api: BodyApi, idPrefix: string, model: string | null) {
    super(model, idPrefix)
    this.parts = []
    this.api = api
    this.callParts = []
  }

  openCall(id: string, name: string, isCustom = false): number {
    if (this.over) return this.calls++
    this.filled = true
    const part = new AnswerPart('call', id, name, isCustom)
    part.index = this.parts.length
    this.parts.push(part)
    this.callParts.push(part)
    return this.calls++
  }

  callArguments(index: number, text: string): void {
    const part = this.callParts[index]
    if (part !== undefined) this.append(part, text)
  }

  comment(): void {}

  keepAlive(): void {}

  finish(reason: FinishReason, usage: ChatUsage | null): void {
    if (this.over) return
    this.begin(null, null, null)
    this.end(this.print(reason, usage))
  }

  fail(error: ChatError): void {
    if (!this.over) this.end(printErrorBody(error, this.api))
  }

  /** The whole body. */
  protected abstract print(reason: FinishReason, usage: ChatUsage | null): string

  private end(body: string): void {
    this.out = body
    this.over = true
    this.parts.length = 0
    this.callParts.length = 0
    this.bytesHeld = 0
  }

  /** A whole body is printed at its end. */
  protected writeBegin(): void {}

  protected write(kind: PartKind, text: string): void {
    if (text === '' || this.over) return
    this.filled = true
    let part = this.parts.at(-1)
    if (part === undefined || part.kind !== kind) {
      part = new AnswerPart(kind)
      part.index = this.parts.length
      this.parts.push(part)
    }
    this.append(part, text)
  }

  private append(part: AnswerPart, text: string): void {
    if (this.over || text === '') return
    part.hold(text)
    this.bytesHeld += text.length
  }
}
