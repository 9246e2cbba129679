import type { ChatError } from './chat-errors.js'
import type { ChatUsage } from './chat-usage.js'
import type { FinishReason, ResponseWriter } from './response-writer.js'

/** Gives the client its own names of tools, where the target has others: see `ToolNames`. */
export class RenamedWriter implements ResponseWriter {
  private readonly writer: ResponseWriter
  /** By the target's names, those of the client. */
  private readonly clients: ReadonlyMap<string, string>

  constructor(writer: ResponseWriter, clients: ReadonlyMap<string, string>) {
    this.writer = writer
    this.clients = clients
  }

  get bytesHeld(): number {
    return this.writer.bytesHeld
  }

  get calls(): number {
    return this.writer.calls
  }

  get filled(): boolean {
    return this.writer.filled
  }

  get over(): boolean {
    return this.writer.over
  }

  take(): Buffer {
    return this.writer.take()
  }

  begin(id: string | null, created: number | null, model: string | null): void {
    this.writer.begin(id, created, model)
  }

  content(text: string): void {
    this.writer.content(text)
  }

  reasoning(text: string): void {
    this.writer.reasoning(text)
  }

  refusal(text: string): void {
    this.writer.refusal(text)
  }

  openCall(id: string, name: string, isCustom?: boolean): number {
    return this.writer.openCall(id, this.clients.get(name) ?? name, isCustom)
  }

  callArguments(index: number, text: string): void {
    this.writer.callArguments(index, text)
  }

  comment(text: string): void {
    this.writer.comment(text)
  }

  keepAlive(): void {
    this.writer.keepAlive()
  }

  finish(reason: FinishReason, usage: ChatUsage | null): void {
    this.writer.finish(reason, usage)
  }

  fail(error: ChatError): void {
    this.writer.fail(error)
  }
}
