import { CallInput } from './call-input.js'
import type { ResponseWriter } from './response-writer.js'

/** A tool call in a chat completion, as far as it has arrived. */
export class ChatCall {
  /** Null if the upstream gives none. */
  readonly index: number | null
  /** The upstream's id. */
  id: string | null
  /** The id that the client gets; null until the call is open. */
  clientId: string | null
  name: string
  /** It is a custom tool's. */
  isCustom: boolean
  /** `extra_content` as JSON text. */
  extra: string | null
  /** Arguments that came ahead of the name. */
  held: string
  private input: CallInput | null

  constructor(index: number | null, id: string | null) {
    this.index = index
    this.id = id
    this.clientId = null
    this.name = ''
    this.isCustom = false
    this.extra = null
    this.held = ''
    this.input = null
  }

  /** Its name has not come yet. */
  get isWaiting(): boolean {
    return this.input === null
  }

  open(id: string, writer: ResponseWriter, wrapped: readonly string[]): void {
    this.clientId = id
    this.input = new CallInput(writer, id, this.name, this.isCustom, wrapped)
    this.input.push(this.held)
    this.held = ''
  }

  push(text: string): void {
    if (this.input === null) this.held += text
    else this.input.push(text)
  }

  end(): void {
    this.input?.end('')
  }

  /**
   * Whether a delta with these members begins another call. Some upstreams give all calls the same index, some repeat
   * the name in each delta, and some invent an id for each delta: a new call has a name and another id. Where there is
   * no index, a name without an id is enough.
   */
  isFollowedBy(index: number | null, id: string | null, name: string): boolean {
    if (this.input === null) return id !== null && this.id !== null && id !== this.id
    return name !== '' && (id === null ? index === null : id !== this.id)
  }
}

/** The tool calls of a chat completion. */
export class ChatCalls {
  /** Characters of arguments that wait for a name. */
  lengthHeld: number
  private readonly all: ChatCall[]
  private readonly byId: Map<string, ChatCall>
  /** Of several calls with the same index, the last one. */
  private readonly byIndex: Map<number, ChatCall>
  /** The ids that the client has got. */
  private readonly used: Set<string>
  private last: ChatCall | undefined

  constructor() {
    this.lengthHeld = 0
    this.all = []
    this.byId = new Map()
    this.byIndex = new Map()
    this.used = new Set()
    this.last = undefined
  }

  list(): readonly ChatCall[] {
    return this.all
  }

  isUsed(id: string): boolean {
    return this.used.has(id)
  }

  /** The call that a delta with these members belongs to; a new one if it begins one. */
  find(index: number | null, id: string | null, name: string): ChatCall {
    const same = id === null ? undefined : this.byId.get(id)
    const found =
      same !== undefined && (index === null || same.index === index)
        ? same
        : index === null
          ? this.last
          : this.byIndex.get(index)
    if (found === undefined || found.isFollowedBy(index, id, name)) return this.add(index, id)
    this.last = found
    return found
  }

  add(index: number | null, id: string | null): ChatCall {
    const call = new ChatCall(index, id)
    this.all.push(call)
    this.last = call
    if (id !== null) this.byId.set(id, call)
    if (index !== null) this.byIndex.set(index, call)
    return call
  }

  /** @param id for the client */
  open(call: ChatCall, id: string, writer: ResponseWriter, wrapped: readonly string[]): void {
    this.used.add(id)
    this.lengthHeld -= call.held.length
    call.open(id, writer, wrapped)
  }

  push(call: ChatCall, text: string): void {
    if (call.isWaiting) this.lengthHeld += text.length
    call.push(text)
  }
}
