import type { ChatUsage } from './chat-usage.js'
import { printBlock, printMessage, printStopReason } from './message-object.js'
import type { FinishReason } from './response-writer.js'
import { WholeWriter } from './whole-writer.js'

/** Writes a whole message (Anthropic API reference: Messages). A refusal is text. */
export class MessageWriter extends WholeWriter {
  private refused: boolean

  /** @param model the name for the message if the upstream gives none */
  constructor(model: string | null) {
    super('messages', 'msg_', model)
    this.refused = false
  }

  override refusal(text: string): void {
    if (text === '') return
    this.refused = true
    this.content(text)
  }

  protected print(reason: FinishReason, usage: ChatUsage | null): string {
    const content = this.parts.map((part) => printBlock(part, true)).join(',')
    const stopReason = printStopReason(reason, this.calls, this.refused)
    return printMessage(this.id, this.model, content, stopReason, usage)
  }
}
