/** A part of a chat message's content. */
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

/** Between texts that stood apart. */
const GAP = '\n\n'

/**
 * The messages of a chat, put together from another API's finer pieces: calls belong to the assistant's message that they
 * follow, and results stand right behind it, with nothing in between.
 */
export class ChatMessages {
  private readonly messages: unknown[]
  private last: Message | null
  /** What results had beside their texts. */
  private held: Part[]

  constructor() {
    this.messages = []
    this.last = null
    this.held = []
  }

  say(role: 'system' | 'user' | 'assistant', parts: readonly Part[]): void {
    if (parts.length === 0) return
    this.release()
    const { last } = this
    if (role === 'assistant' && last?.tool_calls !== undefined && last.content === null) {
      last.content = contentOf(parts)
    } else {
      this.push({ role, content: contentOf(parts) })
    }
  }

  call(id: string, name: string, args: string): void {
    this.release()
    if (this.last?.role !== 'assistant') this.push({ role: 'assistant', content: null })
    const message = this.last as Message
    message.tool_calls ??= []
    message.tool_calls.push({ id, type: 'function', function: { name, arguments: args } })
  }

  result(id: string, parts: readonly Part[]): void {
    const texts = parts.filter((part) => part.type === 'text')
    this.push({ role: 'tool', tool_call_id: id, content: texts.map(({ text }) => text).join(GAP) })
    for (const part of parts) if (part.type !== 'text') this.held.push(part)
  }

  /** A message that was one of a chat's all along. */
  keep(message: unknown): void {
    this.release()
    this.messages.push(message)
    this.last = null
  }

  all(): readonly unknown[] {
    this.release()
    return this.messages
  }

  private release(): void {
    if (this.held.length === 0) return
    this.push({ role: 'user', content: this.held })
    this.held = []
  }

  private push(message: Message): void {
    this.messages.push(message)
    this.last = message
  }
}

/** As text if it is all text: many take no parts. */
function contentOf(parts: readonly Part[]): string | readonly Part[] {
  const texts: string[] = []
  for (const part of parts) {
    if (part.type !== 'text') return parts
    texts.push(part.text)
  }
  return texts.join(GAP)
}
