/** A part of the content of a chat message. */
export type Part =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'image_url'; readonly image_url: { readonly url: string; readonly detail?: string } }
  | { readonly type: 'file'; readonly file: Readonly<Record<string, string>> }
  | { readonly type: 'input_audio'; readonly input_audio: unknown }

interface Call {
  readonly id: string
  readonly type: 'function'
  readonly function: { readonly name: string; readonly arguments: string }
}

interface Message {
  readonly role: string
  content: string | readonly Part[] | null
  tool_calls?: Call[]
  readonly tool_call_id?: string
}

/** Joins texts that were parts or items of their own. */
const GAP = '\n\n'

/**
 * Builds the messages of a chat from the smaller items of another API. A tool call joins the assistant's message ahead
 * of it. The results of its calls must follow right behind that message.
 */
export class ChatMessages {
  private readonly messages: unknown[]
  private last: Message | null
  /** Parts of results other than text: a `tool` message may have text only. */
  private resultParts: Part[]

  constructor() {
    this.messages = []
    this.last = null
    this.resultParts = []
  }

  /** Adds a message, or fills the assistant's message that has calls and no content yet. No parts, no message. */
  addTurn(role: 'system' | 'user' | 'assistant', parts: readonly Part[]): void {
    if (parts.length === 0) return
    this.flushResultParts()
    const { last } = this
    if (role === 'assistant' && last?.tool_calls !== undefined && last.content === null) {
      last.content = joinParts(parts)
    } else {
      this.push({ role, content: joinParts(parts) })
    }
  }

  /** @param args the arguments as JSON text */
  addCall(id: string, name: string, args: string): void {
    this.flushResultParts()
    if (this.last?.role !== 'assistant') this.push({ role: 'assistant', content: null })
    const message = this.last as Message
    message.tool_calls ??= []
    message.tool_calls.push({ id, type: 'function', function: { name, arguments: args } })
  }

  /** Images and files of a result go into a message of the user's, behind all results. */
  addResult(id: string, parts: readonly Part[]): void {
    const texts = parts.filter((part) => part.type === 'text')
    this.push({ role: 'tool', tool_call_id: id, content: texts.map(({ text }) => text).join(GAP) })
    for (const part of parts) if (part.type !== 'text') this.resultParts.push(part)
  }

  /** Adds a message that is in the form of chat completions already. */
  addMessage(message: unknown): void {
    this.flushResultParts()
    this.messages.push(message)
    this.last = null
  }

  /** Ends the conversation. */
  build(): readonly unknown[] {
    this.flushResultParts()
    return this.messages
  }

  private flushResultParts(): void {
    if (this.resultParts.length === 0) return
    this.push({ role: 'user', content: this.resultParts })
    this.resultParts = []
  }

  private push(message: Message): void {
    this.messages.push(message)
    this.last = message
  }
}

/** One text if all parts are text, as many servers take no parts. */
function joinParts(parts: readonly Part[]): string | readonly Part[] {
  const texts: string[] = []
  for (const part of parts) {
    if (part.type !== 'text') return parts
    texts.push(part.text)
  }
  return texts.join(GAP)
}
