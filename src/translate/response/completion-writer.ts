import type { ShownThinking } from '../conversation-request.js'
import type { AnswerPart } from './answer-part.js'
import type { ChatUsage } from './chat-usage.js'
import { THINK_CLOSED, THINK_OPENED } from './chunk-writer.js'
import type { FinishReason } from './response-writer.js'
import { WholeWriter } from './whole-writer.js'

/**
 * Writes a whole chat completion (OpenAI API reference: The chat completion object). Its texts are those of the stream
 * (`ChunkWriter`), joined, and custom tools' calls are functions' calls here, too.
 */
export class CompletionWriter extends WholeWriter {
  private readonly showThinking: ShownThinking

  /** @param model the name for the completion if the upstream gives none */
  constructor(model: string | null, showThinking: ShownThinking = 'reasoning_content') {
    super('chat', 'chatcmpl-', model)
    this.showThinking = showThinking
  }

  protected print(reason: FinishReason, usage: ChatUsage | null): string {
    const { id, created, model, parts, showThinking } = this
    const withTags = showThinking === 'think_tags'
    const content = join(parts, (part) => {
      if (part.kind === 'text') return part.text
      return withTags && part.kind === 'reasoning' ? THINK_OPENED + part.text + THINK_CLOSED : ''
    })
    const refusal = join(parts, (part) => (part.kind === 'refusal' ? part.text : ''))
    const reasoning = join(parts, (part) => (part.kind === 'reasoning' ? part.text : ''))
    const calls = parts.filter(({ kind }) => kind === 'call')
    return JSON.stringify({
      id,
      object: 'chat.completion',
      created,
      model,
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: content === '' && calls.length > 0 ? null : content,
            refusal: refusal || null,
            ...(showThinking !== 'reasoning_content' || reasoning === ''
              ? {}
              : { reasoning_content: reasoning }),
            ...(calls.length === 0 ? {} : { tool_calls: calls.map(createCall) }),
          },
          logprobs: null,
          finish_reason: reason,
        },
      ],
      ...(usage === null ? {} : { usage }),
    })
  }
}

function join(parts: readonly AnswerPart[], textOf: (part: AnswerPart) => string): string {
  return parts.map(textOf).join('')
}

function createCall({ callId, name, text }: AnswerPart): object {
  return { id: callId, type: 'function', function: { name, arguments: text } }
}
