import { EMPTY } from '../../lib/bytes.js'
import type { ShownThinking } from '../conversation-request.js'
import type { ChatError } from './chat-errors.js'
import type { ChatUsage } from './chat-usage.js'
import { asCreated, createId } from './ids.js'
import type { FinishReason, ResponseWriter } from './response-writer.js'

const REST = ',"logprobs":null,"finish_reason":null}]}\n\n'

/** Continue's old parser stops reading a chunk at a comment that begins like this. */
const PING = /^: *ping/i

/** What stands before thinking that is shown as text. */
export const THINK_OPENED = '<think>'
/** What stands behind thinking that is shown as text. */
export const THINK_CLOSED = '</think>\n\n'

/**
 * Writes the stream of a chat completion (OpenAI API reference: The chat completion chunk object): the role, the
 * deltas, one finish reason, the usage if the client asked for it, and [DONE].
 */
export class ChunkWriter implements ResponseWriter {
  calls: number
  filled: boolean
  over: boolean
  /** Every text leaves at once. */
  readonly bytesHeld: number
  private readonly includeUsage: boolean
  private readonly model: string | null
  private readonly showThinking: ShownThinking
  /** Thinking is being shown as text, and its end is still to be written. */
  private thinking: boolean
  /** The beginning of each chunk, up to its choices; '' before the first chunk. */
  private head: string
  private out: string

  /**
   * @param includeUsage the client asked for a usage chunk
   * @param model the name for the chunks if the upstream gives none
   */
  constructor(
    includeUsage: boolean,
    model: string | null,
    showThinking: ShownThinking = 'reasoning_content',
  ) {
    this.calls = 0
    this.filled = false
    this.over = false
    this.bytesHeld = 0
    this.includeUsage = includeUsage
    this.model = model
    this.showThinking = showThinking
    this.thinking = false
    this.head = ''
    this.out = ''
  }

  take(): Buffer {
    if (this.out === '') return EMPTY
    const bytes = Buffer.from(this.out)
    this.out = ''
    return bytes
  }

  /** Writes the chunk with the role, once. All chunks get these three members. */
  begin(id: string | null, created: number | null, model: string | null): void {
    if (this.head !== '' || this.over) return
    const named = JSON.stringify({
      id: id ?? createId('chatcmpl-'),
      object: 'chat.completion.chunk',
      created: asCreated(created),
      model: model ?? this.model ?? '',
    })
    this.head = `data: ${named.slice(0, -1)},"choices":[`
    this.writeDelta('"role":"assistant","content":""')
  }

  content(text: string): void {
    if (this.thinking && text !== '') this.endThinking()
    this.write('"content":', text)
  }

  /** Shows thinking as the client wants it. The name `reasoning_content` is DeepSeek's, and most others use it. */
  reasoning(text: string): void {
    if (this.showThinking === 'reasoning_content') this.write('"reasoning_content":', text)
    else if (text !== '') this.writeThinking(text)
  }

  refusal(text: string): void {
    if (this.thinking && text !== '') this.endThinking()
    this.write('"refusal":', text)
  }

  /**
   * Begins a tool call. A custom tool's call is written as a function's, with its text for arguments: Cursor looks for
   * `function.name` in every call and fails without it (icebear0828/codex-proxy#708, Cursor 3.14.27).
   */
  openCall(id: string, name: string): number {
    const index = this.calls++
    if (this.thinking) this.endThinking()
    this.start()
    const call = JSON.stringify({ index, id, type: 'function', function: { name, arguments: '' } })
    this.writeDelta(`"tool_calls":[${call}]`)
    return index
  }

  callArguments(index: number, text: string): void {
    if (text === '' || this.over || !(index >= 0 && index < this.calls)) return
    this.writeDelta(`"tool_calls":[{"index":${index},"function":{"arguments":${JSON.stringify(text)}}}]`)
  }

  comment(text: string): void {
    if (PING.test(text)) this.keepAlive()
    else if (!this.over) this.out += `${text}\n\n`
  }

  keepAlive(): void {
    if (!this.over) this.out += ': keep-alive\n\n'
  }

  finish(reason: FinishReason, usage: ChatUsage | null): void {
    if (this.over) return
    this.begin(null, null, null)
    if (this.thinking) this.endThinking()
    this.over = true
    this.out += `${this.head}{"index":0,"delta":{},"logprobs":null,"finish_reason":"${reason}"}]}\n\n`
    if (this.includeUsage && usage !== null) this.out += `${this.head}],"usage":${JSON.stringify(usage)}}\n\n`
    this.out += 'data: [DONE]\n\n'
  }

  /** Writes an error event, as chat completions do in mid-stream: neither a finish reason nor [DONE] follows. */
  fail(error: ChatError): void {
    if (this.over) return
    this.over = true
    this.out += `data: ${JSON.stringify({ error })}\n\n`
  }

  private write(field: string, text: string): void {
    if (text === '') return
    this.start()
    this.writeDelta(field + JSON.stringify(text))
  }

  private writeThinking(text: string): void {
    if (this.showThinking === 'none') {
      this.start()
      // A model may think for minutes, in which a proxy must not take the connection for idle.
      this.keepAlive()
    } else if (this.thinking) this.write('"content":', text)
    else {
      this.thinking = true
      this.write('"content":', THINK_OPENED + text)
    }
  }

  private endThinking(): void {
    this.thinking = false
    this.write('"content":', THINK_CLOSED)
  }

  private start(): void {
    if (this.head === '') this.begin(null, null, null)
    this.filled = true
  }

  private writeDelta(fields: string): void {
    if (!this.over) this.out += `${this.head}{"index":0,"delta":{${fields}}${REST}`
  }
}
