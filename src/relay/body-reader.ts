import { readFormModels } from '../http/form-data.js'
import type { RequestMedia } from '../http/request-media.js'
import { ModelCopies } from '../json/model-copies.js'
import { type Peek, Peeker, peekFields } from '../json/peek.js'
import { canDecode, type DecodeFailure, type DecodeHandler, decodeBody } from './body-decoder.js'

/**
 * Why a body cannot be read: its encoding is one that nobody here decodes, or is not what it says, or decodes to too
 * much; or its type lets others read another text.
 */
export type BodyFlaw = 'unknown_coding' | Exclude<DecodeFailure, 'no_room'> | 'unclear_type'

/**
 * Reads what the relay needs to know of a body: of plain JSON while it arrives, of an encoded body or of a form when it
 * is complete. A body that nobody can read is no error here: the plan decides whether it has to be read.
 */
export class BodyReader {
  /** Null if nothing hinders the reading; whether the text is whole is in `found`. */
  flaw: BodyFlaw | null
  /** The text of an encoded body; null if it is not encoded, or could not be decoded. */
  decoded: Buffer[] | null
  private readonly media: RequestMedia
  private readonly peeker: Peeker
  private result: Peek | null
  private stopDecoding: (() => void) | null

  constructor(media: RequestMedia) {
    this.media = media
    this.flaw = media.isUnclear ? 'unclear_type' : null
    this.decoded = null
    this.peeker = new Peeker()
    this.result = null
    this.stopDecoding = null
  }

  /** The body is JSON, not encoded, and can be read while it arrives. */
  get isDirect(): boolean {
    return this.media.coding === null && this.media.boundary === null
  }

  /** What was found so far. */
  get found(): Peek {
    return this.result ?? this.peeker.found
  }

  /** Whether the text is broken for certain, whatever follows. */
  get isBroken(): boolean {
    return this.peeker.isBroken
  }

  push(chunk: Buffer): void {
    if (this.isDirect) this.peeker.push(chunk)
  }

  /**
   * The body is complete.
   * @param pieces all of it; they are joined where that is needed
   * @param handler bounds the decoding, and hears when it is over
   * @returns false if the handler will hear of it
   */
  end(pieces: Buffer[], handler: DecodeHandler): boolean {
    const { coding, boundary } = this.media
    if (coding === null) {
      if (boundary !== null) this.result = readForm(joinInPlace(pieces), boundary)
      return true
    }
    if (coding === 'unknown' || !canDecode(coding)) {
      this.flaw = 'unknown_coding'
      return true
    }
    this.stopDecoding = decodeBody(pieces, coding, handler, (result) => {
      this.stopDecoding = null
      if (typeof result !== 'string') this.take([...result])
      else if (result !== 'no_room') this.flaw = result
      handler.onRead(result !== 'no_room')
    })
    return false
  }

  /** Reads no more, and frees what was decoded. */
  stop(): void {
    this.stopDecoding?.()
    this.stopDecoding = null
    this.decoded = null
  }

  private take(decoded: Buffer[]): void {
    const { boundary } = this.media
    this.decoded = decoded
    const text = joinInPlace(decoded)
    this.result = boundary === null ? peekFields(text) : readForm(text, boundary)
  }
}

/** Joins the pieces of a list; the list has one piece then. */
export function joinInPlace(pieces: Buffer[]): Buffer {
  if (pieces.length !== 1) pieces.splice(0, pieces.length, Buffer.concat(pieces))
  return pieces[0] as Buffer
}

/** What a form says, in the shape of what a JSON body says. */
function readForm(body: Buffer, boundary: string): Peek {
  const found = { ...new Peeker().found }
  const { isWhole, models, sessions } = readFormModels(body, boundary)
  const copies = new ModelCopies()
  for (const { value, start, end, isExact } of models)
    copies.take(found, { value, start, end }, false, isExact)
  const [session] = sessions
  const inSession = session === undefined ? null : peekFields(body.subarray(session.start, session.end))
  if (session === undefined || inSession === null || inSession.objectStart === null)
    return { ...found, isWhole, formBoundary: boundary }
  const { model, modelCopies } = inSession
  const isClear = sessions.length === 1 && inSession.isWhole && modelCopies.length === 0
  const sessionModel =
    model === null ? null : { ...model, start: session.start + model.start, end: session.start + model.end }
  return { ...found, isWhole: isWhole && isClear, formBoundary: boundary, sessionModel }
}
