import { randomBytes } from 'node:crypto'
import type { ChatError } from './chat-errors.js'
import type { ChatUsage } from './chat-usage.js'

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter'

const NOTHING = Buffer.alloc(0)
const REST = ',"logprobs":null,"finish_reason":null}]}\n\n'

/** Continue's old parser takes a line that begins so for the end of what it has read. */
const PING = /^: *ping/i

/**
 * Writes a chat completion's stream (OpenAI API reference: The chat completion chunk object). Whatever order it is called
 * in, the role comes first, one finish reason comes last, and nothing comes behind the end or an error.
 */
export class ChunkWriter {
  /** Tool calls so far; the next one has this index. */
  calls: number
  /** Any text, reasoning or tool call so far. */
  filled: boolean
  /** It has its end, or its error. */
  over: boolean
  private readonly includeUsage: boolean
  private readonly model: string | null
  /** Each chunk as far as its choices; '' before the first one. */
  private head: string
  private out: string

  /** @param model for upstreams that do not tell theirs */
  constructor(includeUsage: boolean, model: string | null) {
    this.calls = 0
    this.filled = false
    this.over = false
    this.includeUsage = includeUsage
    this.model = model
    this.head = ''
    this.out = ''
  }

  /** What has been written since it was last taken. */
  take(): Buffer {
    if (this.out === '') return NOTHING
    const bytes = Buffer.from(this.out)
    this.out = ''
    return bytes
  }

  /**
   * The chunk with the role, once. Each chunk has what the upstream calls its answer.
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

  content(text: string): void {
    this.write('"content":', text)
  }

  /** As DeepSeek's API names it, and most others since. */
  reasoning(text: string): void {
    this.write('"reasoning_content":', text)
  }

  refusal(text: string): void {
    this.write('"refusal":', text)
  }

  /**
   * Custom tools have the form of functions, and their input that of arguments, as it is: Cursor looks for
   * `function.name` in every call, and fails without it (icebear0828/codex-proxy#708, Cursor 3.14.27).
   * @returns the call's index
   */
  openCall(id: string, name: string): number {
    const index = this.calls++
    this.start()
    const call = JSON.stringify({ index, id, type: 'function', function: { name, arguments: '' } })
    this.writeDelta(`"tool_calls":[${call}]`)
    return index
  }

  callArguments(index: number, text: string): void {
    if (text === '' || this.over) return
    this.writeDelta(`"tool_calls":[{"index":${index},"function":{"arguments":${JSON.stringify(text)}}}]`)
  }

  /** @param text with its colon */
  comment(text: string): void {
    if (PING.test(text)) this.keepAlive()
    else if (!this.over) this.out += `${text}\n\n`
  }

  /** Byte-counting timeouts between here and the client, as Cloudflare's 100 s, begin again. */
  keepAlive(): void {
    if (!this.over) this.out += ': keep-alive\n\n'
  }

  /** @param usage null if it is not known */
  finish(reason: FinishReason, usage: ChatUsage | null): void {
    if (this.over) return
    this.begin(null, null, null)
    this.over = true
    this.out += `${this.head}{"index":0,"delta":{},"logprobs":null,"finish_reason":"${reason}"}]}\n\n`
    if (this.includeUsage && usage !== null) this.out += `${this.head}],"usage":${JSON.stringify(usage)}}\n\n`
    this.out += 'data: [DONE]\n\n'
  }

  /** As chat completions tell of an error in mid-stream: no finish reason comes, and no [DONE]. */
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

/** For an answer that has no id of its own. */
export function createChatId(): string {
  return `chatcmpl-${randomBytes(12).toString('hex')}`
}

/** In seconds, as `created` is. */
export function epochSeconds(): number {
  return Math.floor(Date.now() / 1000)
}
