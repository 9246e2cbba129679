import { randomBytes } from 'node:crypto'
import { EMPTY } from '../../lib/bytes.js'
import type { ChatError } from './chat-errors.js'
import type { ChatUsage } from './chat-usage.js'

/** The finish reasons of chat completions that the relay writes. */
export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter'

const REST = ',"logprobs":null,"finish_reason":null}]}\n\n'

/** Continue's old parser stops reading a chunk at a comment that begins like this. */
const PING = /^: *ping/i

/**
 * Writes the stream of a chat completion (OpenAI API reference: The chat completion chunk object). In whatever order it
 * is called, the role comes first, one finish reason comes last, and nothing follows the end or an error.
 */
export class ChunkWriter {
  /** The number of tool calls so far, and so the index of the next one. */
  calls: number
  /** There was any text, reasoning, refusal or tool call. */
  filled: boolean
  /** The finish reason or an error is written. */
  over: boolean
  private readonly includeUsage: boolean
  private readonly model: string | null
  /** The beginning of each chunk, up to its choices; '' before the first chunk. */
  private head: string
  private out: string

  /** @param model the name for the chunks if the upstream gives none */
  constructor(includeUsage: boolean, model: string | null) {
    this.calls = 0
    this.filled = false
    this.over = false
    this.includeUsage = includeUsage
    this.model = model
    this.head = ''
    this.out = ''
  }

  /** @returns the bytes since the last call */
  take(): Buffer {
    if (this.out === '') return EMPTY
    const bytes = Buffer.from(this.out)
    this.out = ''
    return bytes
  }

  /**
   * Writes the chunk with the role, once. All chunks get these three members.
   * @param created in seconds since 1970
   */
  begin(id: string | null, created: number | null, model: string | null): void {
    if (this.head !== '' || this.over) return
    const named = JSON.stringify({
      id: id ?? createChatId(),
      object: 'chat.completion.chunk',
      created: created ?? epochSeconds(),
      model: model ?? this.model ?? '',
    })
    this.head = `data: ${named.slice(0, -1)},"choices":[`
    this.writeDelta('"role":"assistant","content":""')
  }

  /** Writes text; none if it is empty, as the next two do. */
  content(text: string): void {
    this.write('"content":', text)
  }

  /** Writes `reasoning_content`, the name that DeepSeek's API gave it and most others use. */
  reasoning(text: string): void {
    this.write('"reasoning_content":', text)
  }

  refusal(text: string): void {
    this.write('"refusal":', text)
  }

  /**
   * Begins a tool call. A custom tool's call is written as a function's, with its text for arguments: Cursor looks for
   * `function.name` in every call and fails without it (icebear0828/codex-proxy#708, Cursor 3.14.27).
   * @returns the index of the call
   */
  openCall(id: string, name: string): number {
    const index = this.calls++
    this.start()
    const call = JSON.stringify({ index, id, type: 'function', function: { name, arguments: '' } })
    this.writeDelta(`"tool_calls":[${call}]`)
    return index
  }

  /** Writes a part of a call's arguments; none if it is empty. */
  callArguments(index: number, text: string): void {
    if (text === '' || this.over) return
    this.writeDelta(`"tool_calls":[{"index":${index},"function":{"arguments":${JSON.stringify(text)}}}]`)
  }

  /** Writes a comment. @param text with its colon */
  comment(text: string): void {
    if (PING.test(text)) this.keepAlive()
    else if (!this.over) this.out += `${text}\n\n`
  }

  /** Writes a comment that restarts idle timeouts on the way to the client, such as Cloudflare's 100 s. */
  keepAlive(): void {
    if (!this.over) this.out += ': keep-alive\n\n'
  }

  /** Writes the end. @param usage null if it is unknown */
  finish(reason: FinishReason, usage: ChatUsage | null): void {
    if (this.over) return
    this.begin(null, null, null)
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

  private start(): void {
    if (this.head === '') this.begin(null, null, null)
    this.filled = true
  }

  private writeDelta(fields: string): void {
    if (!this.over) this.out += `${this.head}{"index":0,"delta":{${fields}}${REST}`
  }
}

/** A random id, for a response that has none. */
export function createChatId(): string {
  return `chatcmpl-${randomBytes(12).toString('hex')}`
}

/** The time in seconds since 1970, as `created` has it. */
export function epochSeconds(): number {
  return Math.floor(Date.now() / 1000)
}
