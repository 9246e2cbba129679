import type { Transform } from 'node:stream'
import * as zlib from 'node:zlib'
import type { Meter } from './meter.js'
import type { ResponseStats } from './response-stats.js'

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
export function createDecoder(coding: string): Transform | null {
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
export class DecodingMeter implements Meter {
  private readonly meter: Meter
  private readonly decoder: Transform
  private given: boolean
  private over: boolean
  private readonly waiting: (() => void)[]

  /** @param meter looks at what comes out of `decoder` */
  constructor(meter: Meter, decoder: Transform) {
    this.meter = meter
    this.decoder = decoder
    this.given = false
    this.over = false
    this.waiting = []
    decoder.on('data', (piece: Buffer) => meter.push(piece))
    // One that is not what its header says ends there; what came before it counts.
    decoder.once('error', () => this.finish())
    decoder.once('end', () => this.finish())
  }

  readStats(): ResponseStats {
    return this.meter.readStats()
  }

  get ended(): boolean {
    return this.meter.ended
  }

  get isRead(): boolean {
    return this.over
  }

  push(piece: Buffer): void {
    if (this.over || this.given) return
    if (this.decoder.writableLength > MOST_WAITING) {
      this.meter.readStats().unparsed++
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
    this.meter.end()
    for (const call of this.waiting.splice(0)) call()
  }
}
