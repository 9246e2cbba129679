import type { ConversationApi } from '../../src/api/apis.js'
import { ChunkWriter } from '../../src/translate/response/chunk-writer.js'
import { ChatStream, readWholeCompletion } from '../../src/translate/response/read-chat.js'
import { GeminiStream, readWholeGemini } from '../../src/translate/response/read-gemini.js'
import { MessagesStream, readWholeMessage } from '../../src/translate/response/read-messages.js'
import { ResponsesStream, readWholeResponse } from '../../src/translate/response/read-responses.js'
import type { ReaderOptions, StreamTranslation } from '../../src/translate/response/stream.js'
import type { ThoughtSink } from '../../src/translate/thinking/thought-sink.js'

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

/** A reader of a stream of this API that writes chunks of a chat completion. */
export function toChunks(
  api: ConversationApi,
  includeUsage = true,
  model: string | null = null,
  options: Partial<ReaderOptions> = {},
): StreamTranslation {
  return new STREAMS[api](new ChunkWriter(includeUsage, model), { wrapped: [], thoughts: null, ...options })
}

/** The chunks, as text, that a whole body of this API becomes. */
export function wholeToChunks(
  api: ConversationApi,
  body: unknown,
  options: Partial<ReaderOptions> = {},
): string {
  const writer = new ChunkWriter(true, null)
  const bytes = Buffer.isBuffer(body)
    ? body
    : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
  WHOLES[api](bytes, writer, { wrapped: [], thoughts: null, ...options })
  return writer.take().toString()
}

/** Keeps what it gets. */
export function createSink(): ThoughtSink & { readonly got: [string[], string][] } {
  const got: [string[], string][] = []
  return { got, remember: (ids, json) => got.push([[...ids], json]) }
}

/** With the ids that the relay makes in a short form: `call_` and the index. */
export function withShortIds(text: string): string {
  return text.replaceAll(/"call_[0-9a-f]{12}_(\d+)"/g, '"call_$1"')
}
