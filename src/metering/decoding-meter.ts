import type { Transform } from 'node:stream'
import * as zlib from 'node:zlib'
import type { Meter } from './meter.js'
import type { ResponseStats } from './response-stats.js'

/** Limit on compressed bytes that wait for the thread pool. A body that comes faster is not read any further. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024

/** Decodes each chunk as it comes, and all that came of a body that was cut. */
const GZIP: zlib.ZlibOptions = {
  flush: zlib.constants.Z_SYNC_FLUSH,
  finishFlush: zlib.constants.Z_SYNC_FLUSH,
}
const BROTLI: zlib.BrotliOptions = {
  flush: zlib.constants.BROTLI_OPERATION_FLUSH,
  finishFlush: zlib.constants.BROTLI_OPERATION_FLUSH,
}

/** Only since Node 22.15. */
const { createZstdDecompress } = zlib as { createZstdDecompress?: () => Transform }

/**
 * Creates a decoder for a content-coding (RFC 9110, 8.4.1).
 * @param coding in lower case
 * @returns null if Node cannot decode it
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
 * Reads a compressed response: decodes a copy of it in the thread pool, and gives the result to another meter.
 * Decoding is some milliseconds behind, so bytes are still being read after `end`.
 */
export class DecodingMeter implements Meter {
  private readonly meter: Meter
  private readonly decoder: Transform
  /** `end` was called. */
  private hasEnded: boolean
  private hasRead: boolean
  private readonly callbacks: (() => void)[]

  /** @param meter reads the decoded body @param decoder as `createDecoder` creates it */
  constructor(meter: Meter, decoder: Transform) {
    this.meter = meter
    this.decoder = decoder
    this.hasEnded = false
    this.hasRead = false
    this.callbacks = []
    decoder.on('data', (chunk: Buffer) => meter.push(chunk))
    // The body is not what its header says, or is damaged. The part before the error counts.
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
    return this.hasRead
  }

  push(chunk: Buffer): void {
    if (this.hasRead || this.hasEnded) return
    if (this.decoder.writableLength > MAX_WAITING_BYTES) {
      this.meter.readStats().unparsed++
      this.finish()
      this.decoder.destroy()
      return
    }
    this.decoder.write(chunk)
  }

  end(): void {
    if (this.hasEnded) return
    this.hasEnded = true
    if (!this.hasRead) this.decoder.end()
  }

  whenRead(callback: () => void): void {
    if (this.hasRead) callback()
    else this.callbacks.push(callback)
  }

  private finish(): void {
    if (this.hasRead) return
    this.hasRead = true
    this.meter.end()
    for (const callback of this.callbacks.splice(0)) callback()
  }
}
