import { classifyRequest } from '../api/request-class.js'
import type { RequestFacts } from '../exchange/request-facts.js'
import type { Peek } from '../json/peek.js'
import type { RecentOutputs } from './recent-outputs.js'

/**
 * Four bytes of a body are taken for a token: of prose, code and schemas in whichever script this is from half to twice
 * of what metering estimates, which takes two hundred times as long: 67 us. What was used replaces it at the end.
 */
const BYTES_PER_TOKEN = 4

/** Body bytes up to which it is not looked at whether they are a text. */
const SMALL_BODY = 4 * 1024

/** Places of a larger body that are looked at, and bytes at each. */
const WINDOWS = 32
const WINDOW_BYTES = 128

/** By byte: 1 for those of base64. Where there are no others, a body has a picture or a file. */
const IS_BASE64 = new Uint8Array(256)
for (const letter of Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_=-'))
  IS_BASE64[letter] = 1

/** What an estimate looks at, of a body. */
export interface EstimatedBody {
  /** Of the complete body, as it came. */
  readonly length: number
  /** As far as they have arrived. */
  readonly pieces: readonly Buffer[]
  /** The text of a body that came encoded; null if it did not, or is not complete. */
  readonly decoded: readonly Buffer[] | null
  readonly peeked: Pick<Peek, 'maxTokens' | 'maxOutputTokens' | 'formBoundary'>
}

/** Tokens that a request is expected to use. */
export interface TokenEstimate {
  readonly prompt: number
  readonly completion: number
}

const NOTHING: TokenEstimate = { prompt: 0, completion: 0 }

/** @param body null if the request has none: then nothing is generated that is not known before */
export function estimateTokens(
  { method, path, model }: Pick<RequestFacts, 'method' | 'path' | 'model'>,
  body: EstimatedBody | null,
  outputs: RecentOutputs,
): TokenEstimate {
  if (body === null) return NOTHING
  const kind = classifyRequest(method, path)
  // What a batch uses is known when it is read.
  if (kind === 'stored' || kind === 'models') return NOTHING
  const prompt = estimatePrompt(body)
  if (kind === 'embedding') return { prompt, completion: 0 }
  const expected = outputs.expect(model)
  const most = body.peeked.maxTokens ?? body.peeked.maxOutputTokens
  return { prompt, completion: most === null ? expected : Math.min(most, expected) }
}

function estimatePrompt({ length, pieces, decoded, peeked }: EstimatedBody): number {
  // A file counts nothing before an upstream has counted it.
  if (peeked.formBoundary !== null) return 0
  const text = decoded ?? pieces
  const present = sizeOf(text)
  const whole = decoded === null ? length : present
  const tokens = Math.ceil(whole / BYTES_PER_TOKEN)
  // The rest of a body that still arrives is taken to be like its beginning.
  return whole <= SMALL_BODY || present === 0 ? tokens : Math.ceil(tokens * textShareOf(text, present))
}

/** The part of a body that is text, from 0 to 1, by windows at equal distances. @param bytes in all pieces */
function textShareOf(pieces: readonly Buffer[], bytes: number): number {
  let texts = 0
  let n = 0
  let start = 0
  for (const piece of pieces) {
    for (; n < WINDOWS; n++) {
      const at = Math.floor((bytes * (n + 0.5)) / WINDOWS) - start
      if (at >= piece.length) break
      if (!isBase64(piece, Math.max(0, Math.min(at, piece.length - WINDOW_BYTES)))) texts++
    }
    start += piece.length
  }
  return texts / WINDOWS
}

function isBase64(piece: Buffer, at: number): boolean {
  const end = Math.min(piece.length, at + WINDOW_BYTES)
  for (let i = at; i < end; i++) if (IS_BASE64[piece[i] as number] === 0) return false
  return true
}

function sizeOf(pieces: readonly Buffer[]): number {
  let bytes = 0
  for (const piece of pieces) bytes += piece.length
  return bytes
}
