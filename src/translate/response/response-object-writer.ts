import type { ChatUsage } from './chat-usage.js'
import { createId } from './ids.js'
import { createItemId, endStatus, printItem, printResponse } from './response-object.js'
import type { FinishReason } from './response-writer.js'
import { WholeWriter } from './whole-writer.js'

/** Writes a whole response (OpenAI API reference: The response object), with the items that its stream has. */
export class ResponseObjectWriter extends WholeWriter {
  /** @param model the name for the response if the upstream gives none */
  constructor(model: string | null) {
    super('responses', 'resp_', model)
  }

  protected print(reason: FinishReason, usage: ChatUsage | null): string {
    const { id, created, model, parts } = this
    const base = createId('')
    const status = endStatus(reason)
    const items = parts.map((part) => {
      part.id = createItemId(part, base)
      return printItem(part, JSON.stringify(part.text), part === parts.at(-1) ? status : 'completed')
    })
    return printResponse({ id, created, model }, status, reason, items.join(','), usage, null)
  }
}
