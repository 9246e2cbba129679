import * as bytesOf from '../../lib/bytes.js'
import { hexDigit } from '../../lib/bytes.js'
import { BROKEN, HeadScan, MORE } from './head-scan.js'
import type { HeadFault } from './response-head.js'

// Copied: an imported constant is loaded from its cell for each byte, a local one is not.
const { CR, LF } = bytesOf

const SEMICOLON = 0x3b

/** Bytes of a size line, and of all trailers. */
const LINE_MAX = 4 * 1024
const TRAILERS_MAX = 64 * 1024

/** Extensions of a chunk (RFC 9112, 7.1.1): `;name`, `;name=value` or `;name="value"`. They are dropped. */
const EXTENSIONS =
  /^(?:;[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:=(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|"(?:[\t\x20!#-[\]-~\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"))?)+$/

/** Why a chunked body is none: llhttp's codes. */
export type ChunkFault = HeadFault | 'HPE_INVALID_CHUNK_SIZE' | 'HPE_STRICT' | 'UND_ERR_HEADERS_OVERFLOW'

/** What `next` has found. */
export type ChunkEvent = 'data' | 'more' | 'end' | 'broken'

type State = 'size' | 'extension' | 'size_lf' | 'data' | 'data_cr' | 'data_lf' | 'trailers'

/**
 * Reads a chunked body (RFC 9112, 7.1), wherever reads cut it. It is strict: what is not exactly framed is `broken`, as
 * two readers could see different bodies in it.
 */
export class ChunkedDecoder {
  /** Of the data that was found: its range. */
  start: number
  end: number
  fault: ChunkFault
  private state: State
  /** Of the chunk whose size line is read, and then the bytes that are missing of it. */
  private size: number
  private digits: number
  /** The extensions so far, in Latin-1. */
  private text: string
  private trailers: HeadScan | null

  constructor() {
    this.start = 0
    this.end = 0
    this.fault = 'HPE_STRICT'
    this.state = 'size'
    this.size = 0
    this.digits = 0
    this.text = ''
    this.trailers = null
  }

  /**
   * Reads on to the next data or to the end.
   * @param at where to begin; after `data`, at `end`
   * @returns `more` if all bytes were read; `end` with the offset behind the body in `end`
   */
  next(bytes: Buffer, at: number): ChunkEvent {
    const { length } = bytes
    let i = at
    while (i < length) {
      const byte = bytes[i] as number
      switch (this.state) {
        case 'size': {
          const digit = hexDigit(byte)
          if (digit !== -1) {
            this.size = this.size * 16 + digit
            this.digits++
            if (this.size > Number.MAX_SAFE_INTEGER || this.digits > LINE_MAX)
              return this.break('HPE_INVALID_CHUNK_SIZE')
          } else if (this.digits === 0) return this.break('HPE_INVALID_CHUNK_SIZE')
          else if (byte === CR) this.state = 'size_lf'
          else if (byte === SEMICOLON) {
            this.state = 'extension'
            continue
          } else return this.break(byte === LF ? 'HPE_CR_EXPECTED' : 'HPE_INVALID_CHUNK_SIZE')
          i++
          break
        }
        case 'extension': {
          const cr = bytes.indexOf(CR, i)
          const end = cr === -1 ? length : cr
          this.text += bytes.toString('latin1', i, end)
          if (this.text.length > LINE_MAX || this.text.includes('\n')) return this.break('HPE_STRICT')
          if (cr === -1) return 'more'
          if (!EXTENSIONS.test(this.text)) return this.break('HPE_STRICT')
          this.text = ''
          this.state = 'size_lf'
          i = cr + 1
          break
        }
        case 'size_lf':
          if (byte !== LF) return this.break('HPE_LF_EXPECTED')
          this.digits = 0
          this.state = this.size === 0 ? 'trailers' : 'data'
          i++
          break
        case 'data':
          this.start = i
          this.end = Math.min(i + this.size, length)
          this.size -= this.end - i
          if (this.size === 0) this.state = 'data_cr'
          return 'data'
        case 'data_cr':
          if (byte !== CR) return this.break('HPE_STRICT')
          this.state = 'data_lf'
          i++
          break
        case 'data_lf':
          if (byte !== LF) return this.break('HPE_STRICT')
          this.state = 'size'
          i++
          break
        case 'trailers':
          return this.readTrailers(bytes, i)
      }
    }
    return 'more'
  }

  /** Trailers are read and dropped, as their recipient has not asked for them (RFC 9110, 6.5.1). */
  private readTrailers(bytes: Buffer, from: number): ChunkEvent {
    this.trailers ??= new HeadScan(true)
    const end = this.trailers.read(bytes, from)
    if (end === BROKEN) return this.break(this.trailers.fault)
    if (this.trailers.bytes > TRAILERS_MAX) return this.break('UND_ERR_HEADERS_OVERFLOW')
    if (end === MORE) return 'more'
    this.end = end
    return 'end'
  }

  private break(fault: ChunkFault): ChunkEvent {
    this.fault = fault
    return 'broken'
  }
}
