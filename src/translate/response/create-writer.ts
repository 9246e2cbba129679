import type { BodyApi } from '../../api/apis.js'
import type { ShownThinking } from '../conversation-request.js'
import { ChunkWriter } from './chunk-writer.js'
import { CompletionWriter } from './completion-writer.js'
import { MessageWriter } from './message-writer.js'
import { MessagesEventWriter } from './messages-event-writer.js'
import { ResponseObjectWriter } from './response-object-writer.js'
import type { ResponseWriter } from './response-writer.js'
import { ResponsesEventWriter } from './responses-event-writer.js'

/** What a client reads. */
export interface WriterOptions {
  readonly reads: BodyApi
  /** The client asked for a stream. */
  readonly stream: boolean
  /** The client asked for a usage chunk: only streams of chat completions leave it out otherwise. */
  readonly includeUsage: boolean
  /** The name for the response if the upstream gives none. */
  readonly model: string | null
  /** For chat completions; the other APIs have a form of their own for thinking. */
  readonly showThinking: ShownThinking
}

/** A writer that says how much it holds. */
export interface BoundedWriter extends ResponseWriter {
  /** Characters of text that are held. A stream of chat completions holds none. */
  readonly bytesHeld: number
}

/** Creates the writer of one response. */
export function createResponseWriter(options: WriterOptions): BoundedWriter {
  const { reads, stream, includeUsage, model, showThinking } = options
  switch (reads) {
    case 'chat':
      if (stream) return new ChunkWriter(includeUsage, model, showThinking)
      return new CompletionWriter(model, showThinking)
    case 'responses':
      return stream ? new ResponsesEventWriter(model) : new ResponseObjectWriter(model)
    case 'messages':
      return stream ? new MessagesEventWriter(model) : new MessageWriter(model)
  }
}
