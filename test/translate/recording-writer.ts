import { EMPTY } from '../../src/lib/bytes.js'
import type { ChatError } from '../../src/translate/response/chat-errors.js'
import type { ChatUsage } from '../../src/translate/response/chat-usage.js'
import type { FinishReason, ResponseWriter } from '../../src/translate/response/response-writer.js'

/** A response as a writer is told it. */
export interface Told {
  readonly id: string | null
  readonly model: string | null
  readonly content: string
  readonly reasoning: string
  readonly refusal: string
  readonly calls: readonly {
    readonly id: string
    readonly name: string
    readonly input: string
    readonly isCustom: boolean
  }[]
  readonly comments: readonly string[]
  readonly finish: FinishReason | null
  readonly usage: ChatUsage | null
  readonly error: ChatError | null
}

/** Gathers what a reader says, and checks that it is said in order. */
export class RecordingWriter implements ResponseWriter {
  readonly bytesHeld = 0
  calls = 0
  filled = false
  over = false
  private readonly told = {
    id: null as string | null,
    model: null as string | null,
    content: '',
    reasoning: '',
    refusal: '',
    calls: [] as { id: string; name: string; input: string; isCustom: boolean }[],
    comments: [] as string[],
    finish: null as FinishReason | null,
    usage: null as ChatUsage | null,
    error: null as ChatError | null,
  }
  private begun = false

  get result(): Told {
    return this.told
  }

  take(): Buffer {
    return EMPTY
  }

  begin(id: string | null, _created: number | null, model: string | null): void {
    if (this.begun || this.over) return
    this.begun = true
    this.told.id = id
    this.told.model = model
  }

  content(text: string): void {
    if (this.accepts(text)) this.told.content += text
  }

  reasoning(text: string): void {
    if (this.accepts(text)) this.told.reasoning += text
  }

  refusal(text: string): void {
    if (this.accepts(text)) this.told.refusal += text
  }

  openCall(id: string, name: string, isCustom = false): number {
    this.filled = true
    this.begun = true
    if (!this.over) this.told.calls.push({ id, name, input: '', isCustom })
    return this.calls++
  }

  callArguments(index: number, text: string): void {
    const call = this.told.calls[index]
    if (call === undefined && !this.over) throw new Error('arguments without a call')
    if (call !== undefined && this.accepts(text)) call.input += text
  }

  comment(text: string): void {
    if (!this.over) this.told.comments.push(text)
  }

  keepAlive(): void {
    if (!this.over) this.told.comments.push('keep-alive')
  }

  finish(reason: FinishReason, usage: ChatUsage | null): void {
    if (this.over) return
    this.over = true
    this.told.finish = reason
    this.told.usage = usage
  }

  fail(error: ChatError): void {
    if (this.over) return
    this.over = true
    this.told.error = error
  }

  private accepts(text: string): boolean {
    if (typeof text !== 'string') throw new Error(`no text: ${text}`)
    if (text === '' || this.over) return false
    this.begun = true
    this.filled = true
    return true
  }
}
