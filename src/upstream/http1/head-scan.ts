import * as bytesOf from '../../lib/bytes.js'
import type { HeadFault } from './response-head.js'

// Copied: an imported constant is loaded from its cell for each byte, a local one is not.
const { CR, LF } = bytesOf

const SPACE = 0x20
const COLON = 0x3a

const IS_TOKEN = Uint8Array.from({ length: 256 }, (_, byte) =>
  /[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(String.fromCharCode(byte)) ? 1 : 0,
)
const IS_VALUE = Uint8Array.from({ length: 256 }, (_, byte) =>
  /[\t\x20-\x7e\x80-\xff]/.test(String.fromCharCode(byte)) ? 1 : 0,
)

/** The part of a status line that every program reads: a digit stands for any. */
const STATUS_START = 'HTTP/1.1 000'
const NAME_END = 'HTTP/'.length
const VERSION_END = 'HTTP/1.1 '.length

/** Names that frame a message. In a trailer they would frame it twice (RFC 9110, 6.5.1). */
const FRAMING: ReadonlySet<string> = new Set(['content-length', 'transfer-encoding'])
const FRAMING_MAX = 17

/** What was found, in place of an offset. */
export const MORE = -1
export const BROKEN = -2

type State = 'start' | 'after_status' | 'reason' | 'line_lf' | 'line' | 'name' | 'value' | 'end_lf'

/**
 * Follows a head or trailers that come in several reads. Each byte is looked at once, however many reads there are, and
 * what is no HTTP is found at its first wrong byte, so that a server of another kind is not waited for.
 */
export class HeadScan {
  fault: HeadFault
  /** Bytes so far. */
  bytes: number
  private state: State
  private readonly isTrailer: boolean
  /** Of a trailer, as far as it may be one that frames a message. */
  private name: string

  constructor(isTrailer: boolean) {
    this.fault = 'HPE_INVALID_CONSTANT'
    this.bytes = 0
    this.state = isTrailer ? 'line' : 'start'
    this.isTrailer = isTrailer
    this.name = ''
  }

  /** @returns the offset behind the empty line at the end; or `MORE` or `BROKEN` */
  read(data: Buffer, from: number): number {
    for (let i = from; i < data.length; i++) {
      const byte = data[i] as number
      switch (this.state) {
        case 'start': {
          const fault = this.findStartFault(byte)
          if (fault !== null) return this.break(fault)
          if (this.bytes === STATUS_START.length - 1) this.state = 'after_status'
          break
        }
        case 'after_status':
          if (byte === CR) this.state = 'line_lf'
          else if (byte === SPACE) this.state = 'reason'
          else return this.break(byte === LF ? 'HPE_CR_EXPECTED' : 'HPE_INVALID_STATUS')
          break
        case 'reason':
          if (byte === CR) this.state = 'line_lf'
          else if (byte === LF) return this.break('HPE_CR_EXPECTED')
          break
        case 'line_lf':
          if (byte !== LF) return this.break('HPE_LF_EXPECTED')
          this.state = 'line'
          break
        case 'line':
          if (byte === CR) this.state = 'end_lf'
          else if (IS_TOKEN[byte] === 1) {
            this.state = 'name'
            this.name = String.fromCharCode(byte)
          } else return this.break(byte === LF ? 'HPE_CR_EXPECTED' : 'HPE_INVALID_HEADER_TOKEN')
          break
        case 'name':
          if (byte === COLON) {
            if (this.isTrailer && FRAMING.has(this.name.toLowerCase()))
              return this.break('HPE_INVALID_HEADER_TOKEN')
            this.state = 'value'
          } else if (IS_TOKEN[byte] === 0) return this.break('HPE_INVALID_HEADER_TOKEN')
          else if (this.isTrailer && this.name.length <= FRAMING_MAX) this.name += String.fromCharCode(byte)
          break
        case 'value':
          if (byte === CR) this.state = 'line_lf'
          else if (IS_VALUE[byte] === 0)
            return this.break(byte === LF ? 'HPE_CR_EXPECTED' : 'HPE_INVALID_HEADER_TOKEN')
          break
        case 'end_lf':
          if (byte !== LF) return this.break('HPE_LF_EXPECTED')
          this.bytes++
          return i + 1
      }
      this.bytes++
    }
    return MORE
  }

  private findStartFault(byte: number): HeadFault | null {
    const at = this.bytes
    const wanted = STATUS_START.charCodeAt(at)
    if (at >= VERSION_END) return byte >= 0x30 && byte <= 0x39 ? null : 'HPE_INVALID_STATUS'
    if (byte === wanted || (at === VERSION_END - 2 && byte === 0x30)) return null
    return at < NAME_END ? 'HPE_INVALID_CONSTANT' : 'HPE_INVALID_VERSION'
  }

  private break(fault: HeadFault): number {
    this.fault = fault
    return BROKEN
  }
}
