import type { ConversationApi } from '../../src/api/apis.js'
import { ChunkWriter } from '../../src/translate/response/chunk-writer.js'
import { createStreamReader, readWholeBody } from '../../src/translate/response/readers.js'
import { PLAIN, type ReaderOptions, type StreamTranslation } from '../../src/translate/response/stream.js'
import type { ThoughtSink } from '../../src/translate/thinking/thought-sink.js'
import { RecordingWriter, type Told } from './recording-writer.js'

/** A reader of a stream of this API that writes chunks of a chat completion. */
export function toChunks(
  api: ConversationApi,
  includeUsage = true,
  model: string | null = null,
  options: Partial<ReaderOptions> = {},
): StreamTranslation {
  return createStreamReader(api, new ChunkWriter(includeUsage, model), { ...PLAIN, ...options })
}

/** What a reader tells of a stream that comes in these pieces. */
export function tellStream(
  api: ConversationApi,
  pieces: readonly Buffer[],
  options: Partial<ReaderOptions> = {},
): Told {
  const writer = new RecordingWriter()
  const stream = createStreamReader(api, writer, { ...PLAIN, ...options })
  for (const piece of pieces) stream.push(Buffer.from(piece))
  stream.end()
  return writer.result
}

/** What a reader tells of a whole body. */
export function tellWhole(api: ConversationApi, body: unknown, options: Partial<ReaderOptions> = {}): Told {
  const writer = new RecordingWriter()
  readWholeBody(api, Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), writer, {
    ...PLAIN,
    ...options,
  })
  return writer.result
}

/** Events with these data, each an object or JSON text. */
export function eventsOf(...data: readonly unknown[]): string {
  return data.map((each) => `data: ${typeof each === 'string' ? each : JSON.stringify(each)}\n\n`).join('')
}

/** Digits that do not survive being parsed and printed. */
export const EXACT = '{"id":2512292042121000001,"y":1e400,"x":1.0,"z":-0}'

/** An answer that says nothing and ends well. */
export function createEmptyAnswer(id: string, model: string): Told {
  return {
    id,
    model,
    content: '',
    reasoning: '',
    refusal: '',
    calls: [],
    comments: [],
    finish: 'stop',
    usage: null,
    error: null,
  }
}

/** A call as a reader tells it. */
export function createCall(id: string, name: string, input: string, isCustom = false): Told['calls'][number] {
  return { id, name, input, isCustom }
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
