import type { JsonObject } from '../../json/values.js'
import type { CallInput } from './call-input.js'

/** An output item of a response, as far as it has arrived. */
export class OutputItem {
  /** Null if the item is no call, or has no name yet. */
  call: CallInput | null
  callId: unknown
  /** It is a call that has no name yet. */
  isNameless: boolean
  /** The parts whose text is written, or begun: parts of the content from 0 up, others below 0. */
  readonly written: Set<number>

  constructor() {
    this.call = null
    this.callId = undefined
    this.isNameless = false
    this.written = new Set()
  }

  /**
   * Decides whether a text has to be written, and notes that its part has text.
   * @param whole the text is all of the part, so it is a repetition if any of the part is written
   */
  admits(part: number, text: string, whole: boolean): boolean {
    if (text === '' || (whole && this.written.has(part))) return false
    this.written.add(part)
    return true
  }

  /** Whether an item with this call id may be this one: ids may be missing. */
  mayBe(callId: unknown): boolean {
    return typeof callId !== 'string' || typeof this.callId !== 'string' || callId === this.callId
  }
}

/**
 * The output items of a response. Upstreams differ in how they identify them: by an id, by an index in the output, or
 * by both; some give each event a new id.
 */
export class OutputItems {
  private readonly byId: Map<string, OutputItem>
  private readonly byIndex: Map<number, OutputItem>
  private last: OutputItem | null
  /** There was an event that did not identify its item. */
  private hasUnidentified: boolean

  constructor() {
    this.byId = new Map()
    this.byIndex = new Map()
    this.last = null
    this.hasUnidentified = false
  }

  /** The item is found by this id from now on. */
  name(item: OutputItem, id: string): void {
    this.byId.set(id, item)
  }

  /** The known item with these ids, or else with this index; a new one if there is none. */
  find(item: JsonObject, index: unknown): OutputItem {
    const { id, call_id: callId } = item
    const byId =
      (typeof callId === 'string' ? this.byId.get(callId) : undefined) ??
      (typeof id === 'string' ? this.byId.get(id) : undefined)
    if (byId !== undefined) return byId
    const byIndex = typeof index === 'number' ? this.byIndex.get(index) : undefined
    // Some upstreams count wrong and use an index twice.
    if (byIndex?.mayBe(callId)) return byIndex
    if (this.hasUnidentified && this.last !== null && !isCall(item)) return this.last
    return this.remember(new OutputItem(), id, index)
  }

  /** The item of an event. It may never have been added, and an unknown id identifies nothing. */
  findOfEvent({ item_id: id, output_index: index }: JsonObject): OutputItem {
    const byId = typeof id === 'string' ? this.byId.get(id) : undefined
    if (byId !== undefined) return byId
    const byIndex = typeof index === 'number' ? this.byIndex.get(index) : undefined
    if (byIndex !== undefined) return byIndex
    if (typeof index === 'number') return this.remember(new OutputItem(), id, index)
    this.hasUnidentified = true
    return this.last ?? this.remember(new OutputItem(), id, index)
  }

  private remember(item: OutputItem, id: unknown, index: unknown): OutputItem {
    this.last = item
    if (typeof id === 'string') this.byId.set(id, item)
    if (typeof index === 'number') this.byIndex.set(index, item)
    return item
  }
}

/** Whether an item is a call of a tool that the client runs. */
export function isCall(item: JsonObject): boolean {
  return item.type === 'function_call' || item.type === 'custom_tool_call'
}
