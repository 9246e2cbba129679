import { filterObjects, isObject, type JsonObject, numberOr, parseJson, stringOr } from '../../json/values.js'
import type { CreateTranslation, Translation } from '../translation.js'
import { BufferedTranslation } from './buffered.js'
import { createChatError } from './chat-errors.js'
import type { ChatUsage } from './chat-usage.js'
import { ChunkWriter, type FinishReason } from './chunk-writer.js'

const NOTHING = Buffer.alloc(0)

/** The stream of chat that an answer of JSON turns out to be. */
const AS_IT_IS: Translation = {
  makesStream: false,
  bytesHeld: 0,
  push: (piece) => piece,
  end: () => NOTHING,
  breakOff: () => NOTHING,
  abort: (error) => Buffer.from(`data: ${error}\n\n`),
}

/** For an answer of chat completions to somebody who asked for a stream. @param includeUsage as of `completionToChunks` */
export function createCompletionToStream(includeUsage: boolean): CreateTranslation {
  return (status, { eventStream, json, encoding }) =>
    status === 200 && json && !eventStream && encoding === null
      ? new BufferedTranslation(
          (body) => splitCompletion(body, includeUsage),
          null,
          () => AS_IT_IS,
          true,
        )
      : null
}

const REASONS: readonly FinishReason[] = ['stop', 'length', 'tool_calls', 'content_filter']

/**
 * A whole chat completion as the stream that was asked for (OpenAI API reference: The chat completion chunk object): some
 * gateways do not stream, and Cursor shows nothing of an answer that is no stream. An error becomes one in mid-stream.
 * @param includeUsage the client asked for a chunk with it
 */
export function splitCompletion(body: Buffer, includeUsage: boolean): Buffer {
  const answer = parseJson(body.toString('utf8'))
  const writer = new ChunkWriter(includeUsage, null)
  const [choice] = isObject(answer) ? filterObjects(answer.choices) : []
  if (isObject(answer) && choice !== undefined) writeAnswer(writer, answer, choice)
  else if (isObject(answer) && isObject(answer.error)) writer.fail(createChatError(answer.error))
  else {
    const message = "The upstream's answer is neither a stream nor any other that can be read as one."
    writer.fail({ message, type: 'server_error', param: null, code: 'upstream_unreadable' })
  }
  return writer.take()
}

function writeAnswer(writer: ChunkWriter, answer: JsonObject, choice: JsonObject): void {
  const message = isObject(choice.message) ? choice.message : {}
  writer.begin(stringOr(answer.id, null), numberOr(answer.created, null), stringOr(answer.model, null))
  writer.reasoning(stringOr(message.reasoning_content, ''))
  writer.content(stringOr(message.content, ''))
  writer.refusal(stringOr(message.refusal, ''))
  for (const call of filterObjects(message.tool_calls)) {
    const made = isObject(call.function) ? call.function : {}
    const id = stringOr(call.id, '') || `call_${writer.calls}`
    writer.callArguments(writer.openCall(id, stringOr(made.name, '')), stringOr(made.arguments, ''))
  }
  const told = REASONS.find((reason) => reason === choice.finish_reason)
  writer.finish(told ?? (writer.calls > 0 ? 'tool_calls' : 'stop'), usageIn(answer))
}

/** As the upstream tells it. */
function usageIn({ usage }: JsonObject): ChatUsage | null {
  return isObject(usage) ? (usage as unknown as ChatUsage) : null
}
