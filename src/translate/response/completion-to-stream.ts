import { filterObjects, isObject, type JsonObject, numberOr, parseJson, stringOr } from '../../json/values.js'
import { EMPTY } from '../../lib/bytes.js'
import type { CreateTranslation, Translation } from '../translation.js'
import { BufferedTranslation } from './buffered.js'
import { createChatError } from './chat-errors.js'
import { repairCompletion } from './chat-repair.js'
import type { ChatUsage } from './chat-usage.js'
import { ChunkWriter, type FinishReason } from './chunk-writer.js'

/** For a response that turns out to be a stream of chat completions although its head says JSON. */
const PASS_THROUGH: Translation = {
  makesStream: false,
  bytesHeld: 0,
  push: (chunk) => chunk,
  end: () => EMPTY,
  breakOff: () => EMPTY,
  abort: (error) => Buffer.from(`data: ${error}\n\n`),
}

/**
 * Chooses the translation for chat completions where the client asked for a stream: a JSON response becomes one.
 * @param includeUsage the client asked for a usage chunk
 */
export function createCompletionToStream(includeUsage: boolean): CreateTranslation {
  return (status, { eventStream, json, encoding }) =>
    status === 200 && json && !eventStream && encoding === null
      ? new BufferedTranslation(
          (body) => splitCompletion(body, includeUsage),
          null,
          () => PASS_THROUGH,
          true,
        )
      : null
}

const REASONS: readonly FinishReason[] = ['stop', 'length', 'tool_calls', 'content_filter']

/**
 * Splits a whole chat completion into the stream that the client asked for (OpenAI API reference: The chat completion
 * chunk object). Some gateways do not stream, and Cursor shows nothing of a response that is not a stream. An error, or
 * an unreadable body, becomes an error event.
 * @param includeUsage the client asked for a usage chunk
 */
export function splitCompletion(body: Buffer, includeUsage: boolean): Buffer {
  const completion = parseJson(repairCompletion(body).toString('utf8'))
  const writer = new ChunkWriter(includeUsage, null)
  const [choice] = isObject(completion) ? filterObjects(completion.choices) : []
  if (isObject(completion) && choice !== undefined) writeCompletion(writer, completion, choice)
  else if (isObject(completion) && isObject(completion.error)) writer.fail(createChatError(completion.error))
  else {
    const message = "The upstream's response is neither a stream nor a chat completion."
    writer.fail({ message, type: 'server_error', param: null, code: 'upstream_unreadable' })
  }
  return writer.take()
}

function writeCompletion(writer: ChunkWriter, completion: JsonObject, choice: JsonObject): void {
  const message = isObject(choice.message) ? choice.message : {}
  writer.begin(
    stringOr(completion.id, null),
    numberOr(completion.created, null),
    stringOr(completion.model, null),
  )
  writer.reasoning(stringOr(message.reasoning_content, ''))
  writer.content(stringOr(message.content, ''))
  writer.refusal(stringOr(message.refusal, ''))
  for (const call of filterObjects(message.tool_calls)) {
    const made = isObject(call.function) ? call.function : {}
    const id = stringOr(call.id, '') || `call_${writer.calls}`
    writer.callArguments(writer.openCall(id, stringOr(made.name, '')), stringOr(made.arguments, ''))
  }
  const reason = REASONS.find((each) => each === choice.finish_reason)
  writer.finish(reason ?? (writer.calls > 0 ? 'tool_calls' : 'stop'), readUsage(completion))
}

/** The usage as the upstream has it, all its members included. */
function readUsage({ usage }: JsonObject): ChatUsage | null {
  return isObject(usage) ? (usage as unknown as ChatUsage) : null
}
