import { findMember, findOnly, parseOutline, sliceText, WHOLE } from '../../json/outline.js'
import type { InputDecoder } from './input-decoder.js'

/** The members that all chunks of a stream share. */
const SHARED = ['id', 'object', 'created', 'model'] as const
const SHARED_MEMBERS = findOnly(Object.fromEntries(SHARED.map((key) => [key, WHOLE])))

/** A tool call in a stream of chat completions, as far as it has arrived. */
export class StreamCall {
  /** The index of its choice. */
  readonly choice: number
  /** Its index among the calls of the choice; null if the upstream gives none. */
  readonly index: number | null
  readonly id: string | null
  /** The beginning of a chunk for this call, up to the choices. */
  readonly head: string
  /** Decodes the arguments of a wrapped tool; null for other tools, and before the name has arrived. */
  decoder: InputDecoder | null
  /** The name has arrived, or arguments without a name: the tool of this call does not change any more. */
  isIdentified: boolean

  constructor(choice: number, index: number | null, id: string | null, head: string) {
    this.choice = choice
    this.index = index
    this.id = id
    this.head = head
    this.decoder = null
    this.isIdentified = false
  }

  /**
   * Whether a delta with these members begins another call. Some upstreams give all calls the same index, some repeat
   * the name in each delta, and some invent an id for each delta: a new call has a name and another id. Where there is
   * no index, a name is enough.
   */
  isFollowedBy(index: number | null, id: string | null, name: string | null): boolean {
    return this.isIdentified && name !== null && (index === null || (id !== null && id !== this.id))
  }

  /** A chunk that adds to the arguments of this call, as an event. */
  formatChunk(args: string): string {
    const index = this.index === null ? '' : `"index":${this.index},`
    const delta = `{"tool_calls":[{${index}"function":{"arguments":${JSON.stringify(args)}}}]}`
    const choice = `{"index":${this.choice},"delta":${delta},"logprobs":null,"finish_reason":null}`
    return `data: ${this.head}"choices":[${choice}]}\n\n`
  }
}

/** The calls of a stream. */
export class StreamCalls {
  /** By choice and index. Of several calls with the same, the last one. */
  private readonly byIndex: Map<string, StreamCall>
  /** The call of the last delta, by choice. */
  private readonly lastOfChoice: Map<number, StreamCall>
  /** Decoders that hold a part of a text. They are counted, as each event asks, and the calls may be many. */
  private rests: number

  constructor() {
    this.byIndex = new Map()
    this.lastOfChoice = new Map()
    this.rests = 0
  }

  /** Whether a decoder holds a part of a text. */
  get hasRest(): boolean {
    return this.rests > 0
  }

  /** Decodes a part of a call's arguments. */
  decode(decoder: InputDecoder, args: string): string {
    if (decoder.hasRest) this.rests--
    const text = decoder.push(args)
    if (decoder.hasRest) this.rests++
    return text
  }

  /** Ends a call. @returns what its decoder held */
  flush({ decoder }: StreamCall): string {
    if (!decoder?.hasRest) return ''
    this.rests--
    const rest = decoder.flush()
    if (decoder.hasRest) this.rests++
    return rest
  }

  /** The call that a delta belongs to, unless it begins another one. */
  find(choice: number, index: number | null): StreamCall | undefined {
    return index === null ? this.lastOfChoice.get(choice) : this.byIndex.get(keyOf(choice, index))
  }

  add(call: StreamCall): void {
    this.byIndex.set(keyOf(call.choice, call.index), call)
  }

  setLast(call: StreamCall): void {
    this.lastOfChoice.set(call.choice, call)
  }

  /** The open calls of a choice; those of all choices for null. */
  list(choice: number | null): StreamCall[] {
    return [...this.byIndex.values()].filter((call) => choice === null || call.choice === choice)
  }
}

function keyOf(choice: number, index: number | null): string {
  return `${choice} ${index}`
}

/**
 * The beginning of a chunk with the shared members of another one.
 * @param start of the data in the event
 */
export function copyHead(event: Buffer, start: number): string {
  const chunk = parseOutline(event, SHARED_MEMBERS, start)
  let head = '{'
  for (const key of SHARED) {
    const value = findMember(chunk, key)
    if (value !== null) head += `"${key}":${sliceText(event, value)},`
  }
  return head
}
