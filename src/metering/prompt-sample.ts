import { BACKSLASH } from '../json/bytes.js'
import { joinChunks, LF } from '../lib/bytes.js'
import { TokenEstimator } from './token-estimator.js'

/** Bytes that are kept of a request body: all of a smaller one, or windows of a larger one. */
const SAMPLE_BYTES = 4 * 1024
const WINDOW_BYTES = 128

/** A window with these characters alone is a part of an image or a file, not of a text. 1 for each. */
const BASE64 = new Uint8Array(256)
for (const byte of Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_=-'))
  BASE64[byte] = 1

/** Tokens that frame each message of a chat, and the reply (OpenAI cookbook, "How to count tokens with tiktoken"). */
const TOKENS_PER_MESSAGE = 3
const TOKENS_OF_REPLY = 3

/** Members of a request body that have text of the prompt. */
const PROMPT_PARTS = [
  'system',
  'instructions',
  'messages',
  'input',
  'prompt',
  'suffix',
  'input_prefix',
  'input_suffix',
  'input_extra',
]
const TOOL_PARTS = ['tools', 'functions']

/** Members whose values are no text of the prompt: words of the API, references, images, encrypted data. */
const NO_TEXT = new Set([
  'role',
  'type',
  'id',
  'call_id',
  'tool_call_id',
  'tool_use_id',
  'image_url',
  'url',
  'data',
  'file_data',
  'file_id',
  'media_type',
  'signature',
  'encrypted_content',
  'detail',
  'status',
  'format',
])

/**
 * A sample of a request body. It is kept while the response comes, so that the prompt's tokens can be estimated if the
 * upstream does not count them. Images and files count nothing.
 */
export class PromptSample {
  /** The whole body, or windows of `WINDOW_BYTES` at equal distances in it. */
  private readonly sample: Buffer
  /** Size of the body. */
  private readonly bytes: number
  /** Null before the first call. */
  private estimate: number | null

  private constructor(sample: Buffer, bytes: number) {
    this.sample = sample
    this.bytes = bytes
    this.estimate = null
  }

  /** @param chunks of the whole JSON body; the sample does not hold on to them if there are several */
  static of(chunks: readonly Buffer[]): PromptSample {
    let bytes = 0
    for (const chunk of chunks) bytes += chunk.length
    return new PromptSample(bytes <= SAMPLE_BYTES ? joinChunks(chunks) : copyWindows(chunks, bytes), bytes)
  }

  /** Parses or scans the sample, at the first call. */
  estimateTokens(): number {
    this.estimate ??= this.compute()
    return this.estimate
  }

  private compute(): number {
    return (this.bytes <= SAMPLE_BYTES ? this.estimateWhole() : null) ?? this.estimateByWindows()
  }

  /** @returns null if the body is not a JSON object */
  private estimateWhole(): number | null {
    try {
      const body: unknown = JSON.parse(this.sample.toString('utf8'))
      return typeof body === 'object' && body !== null ? estimateBody(body as Json) : null
    } catch {
      return null
    }
  }

  /** Extrapolates the windows' tokens per byte to the whole body. A small body is one window. */
  private estimateByWindows(): number {
    const { sample, bytes } = this
    const size = bytes <= SAMPLE_BYTES ? bytes : WINDOW_BYTES
    let tokens = 0
    for (let start = 0; start < sample.length; start += size) {
      if (isBase64(sample, start, start + size)) continue
      const estimator = new TokenEstimator()
      takeEscaped(sample, start, start + size, estimator)
      // The first and the last word are cut in two: half of each belongs outside of the window.
      tokens += Math.max(0, estimator.tokens - 1)
    }
    return bytes === 0 ? 0 : Math.round((tokens * bytes) / sample.length)
  }
}

type Json = Readonly<Record<string, unknown>>

function estimateBody(body: Json): number {
  const estimator = new TokenEstimator()
  let framing = 0
  for (const part of PROMPT_PARTS) {
    const value = body[part]
    addTexts(value, estimator)
    const isChat = (part === 'messages' || part === 'input') && Array.isArray(value)
    if (isChat) framing += TOKENS_OF_REPLY + TOKENS_PER_MESSAGE * value.length
  }
  // The model reads the whole schema of a tool, names included.
  for (const part of TOOL_PARTS) if (body[part] !== undefined) addText(JSON.stringify(body[part]), estimator)
  return estimator.tokens + framing
}

function addTexts(value: unknown, estimator: TokenEstimator): void {
  if (typeof value === 'string') addText(value, estimator)
  else if (Array.isArray(value)) for (const entry of value) addTexts(entry, estimator)
  else if (typeof value === 'object' && value !== null) {
    for (const [name, entry] of Object.entries(value)) if (!NO_TEXT.has(name)) addTexts(entry, estimator)
  }
}

function addText(text: string, estimator: TokenEstimator): void {
  estimator.takeAll(Buffer.from(text))
  // The next text must not continue the last word of this one.
  estimator.take(LF)
}

/** Copies windows at equal distances, so that the chunks can be freed. @param bytes in all chunks */
function copyWindows(chunks: readonly Buffer[], bytes: number): Buffer {
  const count = SAMPLE_BYTES / WINDOW_BYTES
  const sample = Buffer.allocUnsafeSlow(SAMPLE_BYTES)
  let chunkStart = 0
  // The last window may continue in the next chunk.
  let copied = 0
  for (const chunk of chunks) {
    while (copied < SAMPLE_BYTES) {
      const n = Math.floor(copied / WINDOW_BYTES)
      const within = copied - n * WINDOW_BYTES
      const at = Math.floor(((bytes - WINDOW_BYTES) * n) / (count - 1)) + within - chunkStart
      if (at >= chunk.length) break
      copied += chunk.copy(sample, copied, at, at + WINDOW_BYTES - within)
    }
    chunkStart += chunk.length
  }
  return sample
}

function isBase64(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (BASE64[bytes[i] as number] === 0) return false
  return true
}

/** Takes a text with JSON's escapes decoded, except one that the end cuts. */
function takeEscaped(bytes: Buffer, start: number, end: number, estimator: TokenEstimator): void {
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number
    if (byte !== BACKSLASH || i + 1 === end) {
      estimator.take(byte)
      continue
    }
    const letter = bytes[i + 1] as number
    const code = (letter | CASE_BIT) === SMALL_U && i + ESCAPE_BYTES <= end ? readHex(bytes, i + 2) : -1
    if (code === -1) {
      estimator.take(ESCAPED[letter] as number)
      i++
    } else {
      estimator.takeText(String.fromCharCode(code))
      i += ESCAPE_BYTES - 1
    }
  }
}

const CASE_BIT = 0x20
const SMALL_U = 0x75
/** Bytes of an escape with a number. */
const ESCAPE_BYTES = 6

/** What the byte behind a backslash stands for; most stand for themselves, and the rest are as good as that. */
const ESCAPED = Uint8Array.from({ length: 256 }, (_, byte) => byte)
ESCAPED[0x6e] = ESCAPED[0x72] = LF
ESCAPED[0x74] = 0x09

/** The number of four hexadecimal digits; -1 if there is another byte. */
function readHex(bytes: Buffer, start: number): number {
  const text = bytes.toString('latin1', start, start + 4)
  return /^[0-9a-f]{4}$/i.test(text) ? Number.parseInt(text, 16) : -1
}
