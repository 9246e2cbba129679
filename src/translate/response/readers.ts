import type { ConversationApi } from '../../api/apis.js'
import type { Translation } from '../translation.js'
import { ChatStream, readWholeCompletion } from './read-chat.js'
import { GeminiStream, readWholeGemini } from './read-gemini.js'
import { MessagesStream, readWholeMessage } from './read-messages.js'
import { ResponsesStream, readWholeResponse } from './read-responses.js'
import type { ResponseWriter } from './response-writer.js'
import type { ReaderOptions, StreamTranslation } from './stream.js'

const STREAMS = {
  chat: ChatStream,
  responses: ResponsesStream,
  messages: MessagesStream,
  gemini: GeminiStream,
}

const WHOLES = {
  chat: readWholeCompletion,
  responses: readWholeResponse,
  messages: readWholeMessage,
  gemini: readWholeGemini,
}

/**
 * Creates the reader of an event stream of this API. Its output is what the writer writes.
 * @param makes see `Translation`
 */
export function createStreamReader(
  api: ConversationApi,
  writer: ResponseWriter,
  options: ReaderOptions,
  makes: Translation['makes'] = null,
): StreamTranslation {
  return new STREAMS[api](writer, options, makes)
}

/**
 * Reads a whole body of this API.
 * @param writer is over then: it gets an error if the body cannot be read
 */
export function readWholeBody(
  api: ConversationApi,
  body: Buffer,
  writer: ResponseWriter,
  options: ReaderOptions,
): void {
  WHOLES[api](body, writer, options)
}
