import { applyEdits, type Edit } from '../../json/edits.js'
import { ArrayEdits, ObjectEdits } from '../../json/object-edits.js'
import type { Value } from '../../json/outline.js'

/**
 * Changes to the messages of a conversation, or to the items of `input`: members of messages, whole messages that go,
 * move or are put in. What does not change keeps its bytes.
 */
export class HistoryEdits {
  readonly body: Buffer
  readonly messages: readonly Value[]
  private readonly array: ArrayEdits
  /** By the index of a message, made when it is needed. */
  private readonly changes: Map<number, ObjectEdits>
  /** Of the messages that moved, the index of the message that they are ahead of now. */
  private readonly moves: Map<number, number>

  /** @param conversation as `openConversation` returns it */
  constructor(body: Buffer, conversation: Value) {
    this.body = body
    this.messages = conversation.elements ?? []
    this.array = new ArrayEdits(conversation)
    this.changes = new Map()
    this.moves = new Map()
  }

  /** The changes to a message that is an object. */
  of(n: number): ObjectEdits {
    const known = this.changes.get(n)
    if (known !== undefined) return known
    const edits = new ObjectEdits(this.messages[n] as Value)
    this.changes.set(n, edits)
    return edits
  }

  cut(n: number): void {
    this.array.cut(n)
  }

  isCut(n: number): boolean {
    return this.array.isCut(n)
  }

  /** Puts a message ahead of the message `n`, behind all that were put there. @param text JSON text */
  insert(n: number, text: string): void {
    this.array.insert(n, text)
  }

  /** Moves a message ahead of the message `to`. All changes to the message itself must have been made. */
  move(n: number, to: number): void {
    this.array.insert(to, this.format(n))
    this.array.cut(n)
    this.moves.set(n, to)
  }

  /** Index of the message that stands behind the message `n` now, or of one that was there; null if it is gone. */
  placeBehind(n: number): number | null {
    const to = this.moves.get(n)
    if (to !== undefined) return to
    return this.isCut(n) ? null : n + 1
  }

  /** Adds all changes to those of the request. */
  addTo(edits: ObjectEdits): void {
    edits.within(this.array.edits())
    for (const [n, change] of this.changes) if (!this.array.isCut(n)) edits.within(change.edits())
  }

  /**
   * Parts of one message with the changes in them, as JSON text. O(n) in the number of parts and changes.
   * @param parts in ascending order
   */
  formatParts(n: number, parts: readonly Value[]): string[] {
    if (parts.length === 0) return []
    const changes = this.changes.get(n)?.edits() ?? []
    let next = 0
    return parts.map(({ start, end }) => {
      while (next < changes.length && (changes[next] as Edit).start < start) next++
      const first = next
      while (next < changes.length && (changes[next] as Edit).end <= end) next++
      return this.splice(start, end, changes.slice(first, next))
    })
  }

  /** A message with its changes, as JSON text. */
  private format(n: number): string {
    const { start, end } = this.messages[n] as Value
    return this.splice(start, end, this.changes.get(n)?.edits() ?? [])
  }

  /** @param changes between `start` and `end` */
  private splice(start: number, end: number, changes: readonly Edit[]): string {
    const within = changes.map((edit) => ({
      start: edit.start - start,
      end: edit.end - start,
      text: edit.text,
    }))
    return Buffer.concat(applyEdits([this.body.subarray(start, end)], within)).toString()
  }
}
