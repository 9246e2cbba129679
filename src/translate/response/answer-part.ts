import { isObject, parseJson } from '../../json/values.js'

/** What a part of an answer is. */
export type PartKind = 'text' | 'reasoning' | 'refusal' | 'call'

/** A stretch of an answer that an API prints as one output item or content block. */
export class AnswerPart {
  readonly kind: PartKind
  /** The call's id and tool; '' for other parts. */
  readonly callId: string
  readonly name: string
  /** The call's input is free text instead of a JSON object. */
  readonly isCustom: boolean
  /** What is held of the text, or of the input of the call, as it came. */
  private pieces: string[]
  /** Index among the parts that are written; -1 while the part waits. */
  index: number
  /** The part's id in the stream, and the beginning of its delta events up to their text. Set as it opens. */
  id: string
  head: string
  isClosed: boolean
  /** The part behind this one. */
  next: AnswerPart | null

  constructor(kind: PartKind, callId = '', name = '', isCustom = false) {
    this.kind = kind
    this.callId = callId
    this.name = name
    this.isCustom = isCustom
    this.pieces = []
    this.index = -1
    this.id = ''
    this.head = ''
    this.isClosed = false
    this.next = null
  }

  /** Whether no text is held. */
  get isEmpty(): boolean {
    return this.pieces.length === 0
  }

  /** The text that is held. */
  get text(): string {
    // One piece from now on, so that to ask again costs nothing.
    if (this.pieces.length > 1) this.pieces = [this.pieces.join('')]
    return this.pieces[0] ?? ''
  }

  /**
   * Holds more text. A list of pieces costs about half as much as a growing string, whose every step is an object of
   * its own until it is read.
   * @param text not empty
   */
  hold(text: string): void {
    this.pieces.push(text)
  }

  /** Lets the text go. */
  drop(): void {
    this.pieces = []
  }

  /**
   * Whether nothing more belongs to the part, as soon as another one begins. The arguments of a call may come mixed
   * with those of others: they are complete when they are a JSON object. Free text has no end of its own.
   */
  isComplete(): boolean {
    if (this.kind !== 'call') return true
    return this.isCustom ? !this.isEmpty : isJsonObject(this.text)
  }
}

/** Whether the text is a JSON object. */
export function isJsonObject(text: string): boolean {
  return isObject(parseJson(text))
}
