import { EMPTY } from '../../lib/bytes.js'
import { PartialBuffer } from '../../lib/partial-buffer.js'
import { endsWithEvent } from '../../sse/event-data.js'
import { ChatStream, readWholeCompletion } from '../response/read-chat.js'
import { RepeatedEvents } from '../response/repeated-events.js'
import type { ResponseWriter } from '../response/response-writer.js'
import type { Translation } from '../translation.js'
import type { ThoughtSink } from './thought-sink.js'

/** In bytes, of an event or a whole body. Longer ones pass unread, and nothing is remembered. */
const LONGEST_READ = 1024 * 1024

const MATTERS = /"(?:reasoning|thinking|extra_content|function_call|error)|"finish_reason":\s*"\w|\[DONE\]/

/**
 * Whether an event has to be parsed: nearly all have a text, or a part of the arguments of a call that has begun. It
 * takes O(n), whatever is repeated in the event.
 */
function matters(event: string): boolean {
  if (MATTERS.test(event)) return true
  const at = event.indexOf('"tool_calls"')
  if (at === -1) return false
  // Without a brace behind it, the event is broken.
  return event.includes('"id"', at) || event.includes('"name"', at) || !event.includes('}', at)
}

/** Writes nothing. It only knows what was called. */
class SilentWriter implements ResponseWriter {
  readonly bytesHeld: number
  calls: number
  filled: boolean
  over: boolean

  constructor() {
    this.bytesHeld = 0
    this.calls = 0
    this.filled = false
    this.over = false
  }

  take(): Buffer {
    return EMPTY
  }

  begin(): void {}
  content(): void {}
  reasoning(): void {}
  refusal(): void {}

  openCall(): number {
    return this.calls++
  }

  callArguments(): void {}
  comment(): void {}
  keepAlive(): void {}

  finish(): void {
    this.over = true
  }

  fail(): void {
    this.over = true
  }
}

/** Reads only the events that say something about thinking, calls or the end. */
class ThoughtStream extends ChatStream {
  /** Events that say nothing of these. */
  private readonly silent: RepeatedEvents

  constructor(sink: ThoughtSink) {
    super(new SilentWriter(), { wrapped: [], thoughts: sink })
    this.silent = new RepeatedEvents()
  }

  override push(chunk: Buffer): Buffer {
    const { reader, silent } = this
    if (!reader.isBetweenEvents || !endsWithEvent(chunk)) return super.push(chunk)
    if (silent.covers(chunk)) return EMPTY
    if (matters(chunk.toString('latin1'))) return super.push(chunk)
    silent.learn(chunk)
    return EMPTY
  }

  override takeEvent(name: string, data: string): void {
    if (matters(data)) super.takeEvent(name, data)
    else this.said = null
  }
}

/**
 * Reads the thinking of a chat completion that passes as it is, byte for byte and without delay: see `ThoughtSink`.
 * What cannot be read, or is too long, is not remembered.
 */
export class ChatThoughtObserver implements Translation {
  readonly makes: null
  /** 0: nothing waits, and the copy of what is read has a bound of its own. */
  readonly bytesHeld: number
  private readonly sink: ThoughtSink
  private readonly isStream: boolean
  /** Null for a whole body, and once an event is too long. */
  private stream: ThoughtStream | null
  /** The whole body; null for a stream, and once the body is too long. */
  private body: PartialBuffer | null

  /** @param eventStream whether the response is a stream */
  constructor(eventStream: boolean, sink: ThoughtSink) {
    this.makes = null
    this.bytesHeld = 0
    this.sink = sink
    this.isStream = eventStream
    this.stream = eventStream ? new ThoughtStream(sink) : null
    this.body = eventStream ? null : new PartialBuffer()
  }

  push(chunk: Buffer): Buffer {
    const { stream, body } = this
    if (stream !== null) {
      stream.push(chunk)
      if (stream.bytesHeld > LONGEST_READ) this.stream = null
    } else if (body !== null) {
      if (body.bytes + chunk.length > LONGEST_READ) this.body = null
      else body.add(chunk)
    }
    return chunk
  }

  end(): Buffer {
    this.stream?.end()
    if (this.body !== null)
      readWholeCompletion(this.body.take(), new SilentWriter(), { wrapped: [], thoughts: this.sink })
    return EMPTY
  }

  abort(error: string): Buffer {
    return Buffer.from(this.isStream ? `data: ${error}\n\n` : error)
  }

  breakOff(): Buffer {
    return EMPTY
  }
}
