import type { Transform } from 'node:stream'
import * as zlib from 'node:zlib'
import type { Coding } from '../http/request-media.js'
import { ignore } from '../lib/ignore.js'

/** Why there is no decoded body. */
export type DecodeFailure = 'broken' | 'too_long' | 'too_dense' | 'no_room'

/** Bounds what a decoded body may cost, and waits for it. */
export interface DecodeHandler {
  /** Longest decoded body, in bytes. */
  readonly bodyBytes: number
  /** How many times longer than the encoded body it may be. */
  readonly bodyRatio: number
  /** Takes room for bytes. @returns false if there is none */
  takeRoom(bytes: number): boolean
  /** The decoding is over, with or without success. @param hasRoom false if there was no room for its bytes */
  onRead(hasRoom: boolean): void
}

/** A short body may be as dense as it likes: up to this length its ratio does not count. */
const FREE_BYTES = 1024 * 1024

const OPEN_BRACE = 0x7b

type CreateDecoder = (options: { chunkSize: number }) => Transform

const CHUNK = { chunkSize: 64 * 1024 }

/** Null where this version of Node cannot decode it: Zstandard came with 22.15. */
const DECODERS: Readonly<Record<Coding, CreateDecoder | null>> = {
  gzip: zlib.createGunzip,
  deflate: zlib.createInflate,
  br: zlib.createBrotliDecompress,
  zstd: (zlib as { readonly createZstdDecompress?: CreateDecoder }).createZstdDecompress ?? null,
}

export function canDecode(coding: Coding): boolean {
  return DECODERS[coding] !== null
}

/**
 * Decodes a complete body, off the main thread and within bounds.
 * @param done called once, later
 * @returns stops it: `done` is not called then
 */
export function decodeBody(
  pieces: readonly Buffer[],
  coding: Coding,
  handler: Pick<DecodeHandler, 'bodyBytes' | 'bodyRatio' | 'takeRoom'>,
  done: (result: readonly Buffer[] | DecodeFailure) => void,
): () => void {
  const decoder = DECODERS[coding]?.(CHUNK)
  if (decoder === undefined) throw new Error(`no decoder for ${coding}`)
  const decoded: Buffer[] = []
  let encodedBytes = 0
  let bytes = 0
  let isOver = false
  const finish = (result: readonly Buffer[] | DecodeFailure): void => {
    if (isOver) return
    isOver = true
    decoder.on('error', ignore)
    decoder.destroy()
    done(result)
  }
  for (const piece of pieces) encodedBytes += piece.length
  decoder.on('data', (chunk: Buffer) => {
    if (isOver) return
    bytes += chunk.length
    if (bytes > handler.bodyBytes) finish('too_long')
    else if (bytes > FREE_BYTES && bytes > encodedBytes * handler.bodyRatio) finish('too_dense')
    else if (!handler.takeRoom(chunk.length)) finish('no_room')
    else decoded.push(chunk)
  })
  decoder.on('error', () => finish('broken'))
  decoder.on('end', () => finish(decoded))
  // A server that does not decode would read this body as JSON.
  if (startsAsJson(pieces)) setImmediate(finish, 'broken')
  else for (const piece of pieces) decoder.write(piece)
  decoder.end()
  return () => {
    isOver = true
    decoder.on('error', ignore)
    decoder.destroy()
  }
}

function startsAsJson(pieces: readonly Buffer[]): boolean {
  for (const piece of pieces) for (const byte of piece) if (byte > 0x20) return byte === OPEN_BRACE
  return false
}
