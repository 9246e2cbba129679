import { LF } from '../lib/bytes.js'
import { TokenEstimator } from './token-estimator.js'

/** A prompt up to this is kept whole until its answer is over, and of a larger one pieces of that size together. */
const KEPT = 4 * 1024
const WINDOW = 128

/** A piece of an image or a file, and not of a text. */
const BASE64 = /^[A-Za-z0-9+/_=-]+$/

/** Of a chat: for every message, and for the answer's beginning (OpenAI cookbook, "How to count tokens with tiktoken"). */
const PER_MESSAGE = 3
const REPLY = 3

/** Parts of a request in which a prompt is. */
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

/** Names of values that are no text of the prompt: words of the API, references, images, what is encrypted. */
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
 * What is kept of a request's body while its answer comes, so that its tokens can be estimated if nobody counts them. Images
 * and files in it count nothing.
 */
export class PromptSample {
  /** The whole of it, or pieces that stand at equal distances in it. */
  private readonly windows: readonly Buffer[]
  private readonly bytes: number

  private constructor(windows: readonly Buffer[], bytes: number) {
    this.windows = windows
    this.bytes = bytes
  }

  /** @param pieces of a JSON body, whole */
  static of(pieces: readonly Buffer[]): PromptSample {
    let bytes = 0
    for (const piece of pieces) bytes += piece.length
    return new PromptSample(bytes <= KEPT ? wholeOf(pieces) : windowsOf(pieces, bytes), bytes)
  }

  /** By estimate. */
  get tokens(): number {
    return (this.bytes <= KEPT ? this.ofWhole() : null) ?? this.ofWindows()
  }

  /** @returns null if it is not JSON after all */
  private ofWhole(): number | null {
    try {
      const body: unknown = JSON.parse(Buffer.concat(this.windows).toString('utf8'))
      return typeof body === 'object' && body !== null ? tokensOf(body as Json) : null
    } catch {
      return null
    }
  }

  /** As many for each byte as the pieces have. */
  private ofWindows(): number {
    let tokens = 0
    let bytes = 0
    for (const window of this.windows) {
      bytes += window.length
      const text = window.toString('latin1')
      if (BASE64.test(text)) continue
      const estimator = new TokenEstimator()
      estimator.takeAll(Buffer.from(unescaped(text), 'latin1'))
      // The first and the last word are cut in two, half of which belongs to the neighbours.
      tokens += Math.max(0, estimator.tokens - 1)
    }
    return bytes === 0 ? 0 : Math.round((tokens * this.bytes) / bytes)
  }
}

type Json = Readonly<Record<string, unknown>>

function tokensOf(body: Json): number {
  const estimator = new TokenEstimator()
  let framing = 0
  for (const part of PROMPT_PARTS) {
    const value = body[part]
    takeTexts(value, estimator)
    const isChat = (part === 'messages' || part === 'input') && Array.isArray(value)
    if (isChat) framing += REPLY + PER_MESSAGE * value.length
  }
  // Names of parameters are read by the model too.
  for (const part of TOOL_PARTS) if (body[part] !== undefined) takeAll(JSON.stringify(body[part]), estimator)
  return estimator.tokens + framing
}

function takeTexts(value: unknown, estimator: TokenEstimator): void {
  if (typeof value === 'string') takeAll(value, estimator)
  else if (Array.isArray(value)) for (const entry of value) takeTexts(entry, estimator)
  else if (typeof value === 'object' && value !== null) {
    for (const [name, entry] of Object.entries(value)) if (!NO_TEXT.has(name)) takeTexts(entry, estimator)
  }
}

function takeAll(text: string, estimator: TokenEstimator): void {
  estimator.takeAll(Buffer.from(text))
  // What follows is another text.
  estimator.take(LF)
}

/** Each of many small pieces would take up far more room than it has bytes. */
function wholeOf(pieces: readonly Buffer[]): Buffer[] {
  return pieces.length <= 1 ? [...pieces] : [Buffer.concat(pieces)]
}

function windowsOf(pieces: readonly Buffer[], bytes: number): Buffer[] {
  const count = KEPT / WINDOW
  // A copy, so that the pieces can go.
  const kept = Buffer.allocUnsafeSlow(KEPT)
  let base = 0
  // Bytes that are kept so far: the last window may go on in the next piece.
  let size = 0
  for (const piece of pieces) {
    while (size < KEPT) {
      const n = Math.floor(size / WINDOW)
      const within = size - n * WINDOW
      const at = Math.floor(((bytes - WINDOW) * n) / (count - 1)) + within - base
      if (at >= piece.length) break
      size += piece.copy(kept, size, at, at + WINDOW - within)
    }
    base += piece.length
  }
  return Array.from({ length: count }, (_, n) => kept.subarray(n * WINDOW, (n + 1) * WINDOW))
}

/** JSON's escapes undone, so far as they are whole. */
function unescaped(text: string): string {
  return text.replace(
    /\\(?:u([0-9a-f]{4})|(.))/gis,
    (_, code: string | undefined, sign: string | undefined) => {
      if (code !== undefined)
        return Buffer.from(String.fromCharCode(Number.parseInt(code, 16))).toString('latin1')
      return sign === 'n' || sign === 'r' ? '\n' : sign === 't' ? '\t' : (sign ?? '')
    },
  )
}
