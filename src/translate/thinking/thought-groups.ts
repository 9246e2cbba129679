import type { ThoughtSink } from './thought-sink.js'

/** In characters. A response that thinks more is not remembered: an upstream must not fill the memory. */
export const LONGEST_THOUGHT = 256 * 1024

/** Thinking, and the calls behind it. */
interface Group {
  json: string
  readonly calls: string[]
}

/** Collects the thinking items of a response, each group of them with the calls that follow it. */
export class ThoughtGroups {
  private readonly groups: Group[]
  /** Calls without thinking ahead of them. */
  private readonly bare: string[]
  private length: number

  constructor() {
    this.groups = []
    this.bare = []
    this.length = 0
  }

  get isEmpty(): boolean {
    return this.groups.length === 0
  }

  /** Forgets all, to begin again. */
  clear(): void {
    this.groups.length = 0
    this.bare.length = 0
    this.length = 0
  }

  /** Adds an item, which belongs to the calls from here on. @param json JSON text */
  add(json: string): void {
    this.length += json.length
    if (this.length > LONGEST_THOUGHT) return
    const last = this.groups.at(-1)
    if (last === undefined || last.calls.length > 0) this.groups.push({ json, calls: [] })
    else last.json += `,${json}`
  }

  addCall(id: string): void {
    const calls = this.groups.at(-1)?.calls ?? this.bare
    calls.push(id)
  }

  /** Hands on what has calls behind it. If a part was too long, the rest would be useless without it. */
  remember(sink: ThoughtSink): void {
    const isTooLong = this.length > LONGEST_THOUGHT
    if (this.bare.length > 0) sink.remember(this.bare, '')
    for (const { json, calls } of this.groups)
      if (calls.length > 0) sink.remember(calls, isTooLong ? '' : json)
  }
}
