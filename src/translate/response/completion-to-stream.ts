import { EMPTY } from '../../lib/bytes.js'
import type { CreateTranslation, Translation } from '../translation.js'
import { BufferedTranslation } from './buffered.js'
import { ChunkWriter } from './chunk-writer.js'
import { readWholeCompletion } from './read-chat.js'

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

/**
 * Splits a whole chat completion into the stream that the client asked for (OpenAI API reference: The chat completion
 * chunk object). Some gateways do not stream, and Cursor shows nothing of a response that is not a stream. An error, or
 * an unreadable body, becomes an error event.
 * @param includeUsage the client asked for a usage chunk
 */
export function splitCompletion(body: Buffer, includeUsage: boolean): Buffer {
  const writer = new ChunkWriter(includeUsage, null)
  readWholeCompletion(body, writer)
  return writer.take()
}
