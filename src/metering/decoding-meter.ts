import type { Transform } from 'node:stream'
import * as zlib from 'node:zlib'
import type { Tap } from './meter.js'
import type { Sighting } from './response-stats.js'

/** Compressed bytes that wait for their thread. An answer that comes faster is not looked at any further. */
const MOST_WAITING = 4 * 1024 * 1024

/** What comes is looked at as it comes, and of an answer that was cut, all that came. */
const GZIP: zlib.ZlibOptions = {
  flush: zlib.constants.Z_SYNC_FLUSH,
  finishFlush: zlib.constants.Z_SYNC_FLUSH,
}
const BROTLI: zlib.BrotliOptions = {
  flush: zlib.constants.BROTLI_OPERATION_FLUSH,
  finishFlush: zlib.constants.BROTLI_OPERATION_FLUSH,
}

/** Since Node 22.15. */
const { createZstdDecompress } = zlib as { createZstdDecompress?: () => Transform }

/**
 * What undoes a content-coding (RFC 9110, 8.4.1); null if it is not known here.
 * @param coding in lower case
 */
export function decoderFor(coding: string): Transform | null {
  switch (coding) {
    case 'gzip':
    case 'x-gzip':
      return zlib.createGunzip(GZIP)
    case 'deflate':
      return zlib.createInflate(GZIP)
    case 'br':
      return zlib.createBrotliDecompress(BROTLI)
    case 'zstd':
      return createZstdDecompress?.() ?? null
    default:
      return null
  }
}

/**
 * Looks at an answer that is compressed, on a copy that a thread decompresses beside its way to the client. It is some
 * milliseconds behind, so that its end is not the end of reading.
 */
export class DecodingTap implements Tap {
  private readonly tap: Tap
  private readonly decoder: Transform
  private given: boolean
  private over: boolean
  private readonly waiting: (() => void)[]

  /** @param tap looks at what comes out of `decoder` */
  constructor(tap: Tap, decoder: Transform) {
    this.tap = tap
    this.decoder = decoder
    this.given = false
    this.over = false
    this.waiting = []
    decoder.on('data', (piece: Buffer) => tap.push(piece))
    // One that is not what its header says ends there; what came before it counts.
    decoder.once('error', () => this.finish())
    decoder.once('end', () => this.finish())
  }

  get seen(): Sighting {
    return this.tap.seen
  }

  get ended(): boolean {
    return this.tap.ended
  }

  get isRead(): boolean {
    return this.over
  }

  push(piece: Buffer): void {
    if (this.over || this.given) return
    if (this.decoder.writableLength > MOST_WAITING) {
      this.tap.seen.odd++
      this.finish()
      this.decoder.destroy()
      return
    }
    this.decoder.write(piece)
  }

  end(): void {
    if (this.given) return
    this.given = true
    if (!this.over) this.decoder.end()
  }

  whenRead(call: () => void): void {
    if (this.over) call()
    else this.waiting.push(call)
  }

  private finish(): void {
    if (this.over) return
    this.over = true
    this.tap.end()
    for (const call of this.waiting.splice(0)) call()
  }
}
