import { LF } from '../lib/bytes.js'
import { TokenEstimator } from './token-estimator.js'

/** Bytes that are kept of a request body: all of a smaller one, or windows of a larger one. */
const SAMPLE_BYTES = 4 * 1024
const WINDOW_BYTES = 128

/** A window with these characters alone is a part of an image or a file, not of a text. */
const BASE64 = /^[A-Za-z0-9+/_=-]+$/

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
  /** The whole body in one buffer, or windows at equal distances in it. */
  private readonly windows: readonly Buffer[]
  /** Size of the body. */
  private readonly bytes: number
  /** Null before the first call. */
  private estimate: number | null

  private constructor(windows: readonly Buffer[], bytes: number) {
    this.windows = windows
    this.bytes = bytes
    this.estimate = null
  }

  /** @param chunks of the whole JSON body; the sample does not hold on to them if there are several */
  static of(chunks: readonly Buffer[]): PromptSample {
    let bytes = 0
    for (const chunk of chunks) bytes += chunk.length
    const windows = bytes <= SAMPLE_BYTES ? joinChunks(chunks) : copyWindows(chunks, bytes)
    return new PromptSample(windows, bytes)
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
      const body: unknown = JSON.parse(Buffer.concat(this.windows).toString('utf8'))
      return typeof body === 'object' && body !== null ? estimateBody(body as Json) : null
    } catch {
      return null
    }
  }

  /** Extrapolates the windows' tokens per byte to the whole body. */
  private estimateByWindows(): number {
    let tokens = 0
    let bytes = 0
    for (const window of this.windows) {
      bytes += window.length
      const text = window.toString('latin1')
      if (BASE64.test(text)) continue
      const estimator = new TokenEstimator()
      estimator.takeAll(Buffer.from(decodeEscapes(text), 'latin1'))
      // The first and the last word are cut in two: half of each belongs outside of the window.
      tokens += Math.max(0, estimator.tokens - 1)
    }
    return bytes === 0 ? 0 : Math.round((tokens * this.bytes) / bytes)
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

/** Many small buffers would take far more memory than they have bytes. */
function joinChunks(chunks: readonly Buffer[]): Buffer[] {
  return chunks.length <= 1 ? [...chunks] : [Buffer.concat(chunks)]
}

/** Copies windows at equal distances, so that the chunks can be freed. @param bytes in all chunks */
function copyWindows(chunks: readonly Buffer[], bytes: number): Buffer[] {
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
  return Array.from({ length: count }, (_, n) => sample.subarray(n * WINDOW_BYTES, (n + 1) * WINDOW_BYTES))
}

/** Decodes JSON's escapes, except one that the window cuts. @param text Latin-1 @returns UTF-8 bytes as Latin-1 */
function decodeEscapes(text: string): string {
  return text.replace(
    /\\(?:u([0-9a-f]{4})|(.))/gis,
    (_, code: string | undefined, letter: string | undefined) => {
      if (code !== undefined)
        return Buffer.from(String.fromCharCode(Number.parseInt(code, 16))).toString('latin1')
      return letter === 'n' || letter === 'r' ? '\n' : letter === 't' ? '\t' : (letter ?? '')
    },
  )
}
