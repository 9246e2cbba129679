import { EMPTY } from '../../lib/bytes.js'
import type { PartKind } from './answer-part.js'
import type { ChatError } from './chat-errors.js'
import type { ChatUsage } from './chat-usage.js'
import { asCreated, createId } from './ids.js'
import type { FinishReason, ResponseWriter } from './response-writer.js'

/**
 * What all writers share that print an answer as parts of a kind: text, reasoning, refusals and calls. A subclass says
 * what becomes of a part.
 */
export abstract class AnswerWriter implements ResponseWriter {
  calls: number
  filled: boolean
  over: boolean
  /** Characters of text that are held. */
  bytesHeld: number
  protected id: string
  /** In seconds since 1970. */
  protected created: number
  protected model: string
  /** What is written since the last `take`. */
  protected out: string
  protected begun: boolean
  /** What ids of this API begin with. */
  private readonly idPrefix: string

  /** @param model the name for the response if the upstream gives none */
  constructor(model: string | null, idPrefix: string) {
    this.calls = 0
    this.filled = false
    this.over = false
    this.bytesHeld = 0
    this.id = ''
    this.created = 0
    this.model = model ?? ''
    this.out = ''
    this.begun = false
    this.idPrefix = idPrefix
  }

  take(): Buffer {
    if (this.out === '') return EMPTY
    const bytes = Buffer.from(this.out)
    this.out = ''
    return bytes
  }

  begin(id: string | null, created: number | null, model: string | null): void {
    if (this.begun || this.over) return
    this.begun = true
    this.id = id ?? createId(this.idPrefix)
    this.created = asCreated(created)
    this.model = model ?? this.model
    this.writeBegin()
  }

  content(text: string): void {
    this.write('text', text)
  }

  reasoning(text: string): void {
    this.write('reasoning', text)
  }

  refusal(text: string): void {
    this.write('refusal', text)
  }

  abstract openCall(id: string, name: string, isCustom?: boolean): number
  abstract callArguments(index: number, text: string): void
  abstract comment(text: string): void
  abstract keepAlive(): void
  abstract finish(reason: FinishReason, usage: ChatUsage | null): void
  abstract fail(error: ChatError): void

  /** Writes what stands ahead of all parts; called once. */
  protected abstract writeBegin(): void
  protected abstract write(kind: PartKind, text: string): void
}
