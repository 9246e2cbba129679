import { LONGEST_THOUGHT } from './thought-groups.js'
import type { ThoughtSink } from './thought-sink.js'

/** Collects the thinking of a chat completion: one text for all of its calls, or something for each call. */
export class ChatThoughts {
  private text: string
  private isTooLong: boolean
  /** `extra_content` of the calls that have it, as JSON text, by their ids. */
  private readonly extras: Map<string, string>
  private extraLength: number
  private readonly calls: string[]

  constructor() {
    this.text = ''
    this.isTooLong = false
    this.extras = new Map()
    this.extraLength = 0
    this.calls = []
  }

  addReasoning(text: string): void {
    if (this.isTooLong) return
    this.text += text
    if (this.text.length <= LONGEST_THOUGHT) return
    this.isTooLong = true
    this.text = ''
  }

  addCall(id: string): void {
    this.calls.push(id)
  }

  /** Notes what Gemini's compatible API adds to a call: its thought signature. @param json of `extra_content` */
  addExtra(id: string, json: string): void {
    this.extraLength += json.length
    if (this.extraLength <= LONGEST_THOUGHT) this.extras.set(id, json)
  }

  /** The response is complete. */
  remember(sink: ThoughtSink): void {
    for (const [id, json] of this.extras) sink.remember([id], json)
    const others = this.calls.filter((id) => !this.extras.has(id))
    if (others.length > 0) sink.remember(others, this.text === '' ? '' : JSON.stringify(this.text))
  }
}
