import type { Translation } from './translation.js'

const NOTHING = Buffer.alloc(0)

/** Changes an answer that is no stream, when all of it is there. One that is too long goes on as it is. */
export class Gathering implements Translation {
  private readonly convert: (body: Buffer) => Buffer
  private readonly longest: number
  private pieces: Buffer[]
  private bytes: number
  private passing: boolean

  /** @param longest in bytes */
  constructor(convert: (body: Buffer) => Buffer, longest: number) {
    this.convert = convert
    this.longest = longest
    this.pieces = []
    this.bytes = 0
    this.passing = false
  }

  push(piece: Buffer): Buffer {
    if (this.passing) return piece
    // Some send blank lines while they work, against timeouts between here and there; JSON may begin with them.
    if (this.bytes === 0 && isBlank(piece)) return piece
    this.pieces.push(piece)
    this.bytes += piece.length
    if (this.bytes <= this.longest) return NOTHING
    this.passing = true
    return this.take()
  }

  end(): Buffer {
    return this.passing || this.bytes === 0 ? NOTHING : this.convert(this.take())
  }

  /** Half of an answer is none. */
  breakOff(): Buffer {
    this.pieces = []
    return NOTHING
  }

  private take(): Buffer {
    const body = this.pieces.length === 1 ? (this.pieces[0] as Buffer) : Buffer.concat(this.pieces)
    this.pieces = []
    this.bytes = 0
    return body
  }
}

/** Of JSON's white space alone (RFC 8259, 2). */
function isBlank(piece: Buffer): boolean {
  for (const byte of piece) if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return false
  return true
}
