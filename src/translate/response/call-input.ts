import { createHash, randomBytes } from 'node:crypto'
import { InputDecoder, unwrapInput } from '../custom-tools/input-decoder.js'
import type { ResponseWriter } from './response-writer.js'

/** A tool call on its way to the client. The text of a wrapped custom tool is taken out of its arguments. */
export class CallInput {
  private readonly writer: ResponseWriter
  private readonly index: number
  /** Null for tools that are not wrapped. */
  private readonly decoder: InputDecoder | null
  /** A part of the arguments has come. */
  hasParts: boolean

  /**
   * Begins the call.
   * @param isCustom it is a custom tool's, and its input is its text
   * @param wrapped names of the custom tools that went out as functions
   */
  constructor(
    writer: ResponseWriter,
    id: string,
    name: string,
    isCustom: boolean,
    wrapped: readonly string[],
  ) {
    const isWrapped = !isCustom && wrapped.includes(name)
    this.writer = writer
    this.index = writer.openCall(id, name, isCustom || isWrapped)
    this.decoder = isWrapped ? new InputDecoder() : null
    this.hasParts = false
  }

  /** Writes a part of the arguments. */
  push(part: string): void {
    if (part === '') return
    this.hasParts = true
    this.writer.callArguments(this.index, this.decoder === null ? part : this.decoder.push(part))
  }

  /** Ends the arguments. @param whole all of them, for a call without parts */
  end(whole: string): void {
    if (!this.hasParts)
      this.writer.callArguments(this.index, this.decoder === null ? whole : unwrapInput(whole))
    else if (this.decoder !== null) this.writer.callArguments(this.index, this.decoder.flush())
    this.hasParts = true
  }
}

/**
 * Makes ids for the calls of a response whose upstream gives none. Ids must differ from turn to turn, as the client
 * sends all of them back in one history. They are the same each time that the same response is read.
 */
export class CallIds {
  private prefix: string

  constructor() {
    this.prefix = ''
  }

  /**
   * @param responseId null if it is unknown
   * @param index of the call in the response
   */
  create(responseId: string | null, index: number): string {
    if (this.prefix === '') {
      const token = responseId === null ? randomBytes(6) : createHash('sha256').update(responseId).digest()
      this.prefix = `call_${token.toString('hex', 0, 6)}`
    }
    return `${this.prefix}_${index}`
  }
}
