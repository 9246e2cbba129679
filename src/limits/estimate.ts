import { classifyRequest } from '../api/request-class.js'
import type { RequestFacts } from '../exchange/request-facts.js'
import type { Peek } from '../json/peek.js'
import { PromptSample } from '../metering/prompt-sample.js'
import type { RecentOutputs } from './recent-outputs.js'

/** Body bytes up to which four of them are taken for a token, without a look at what they are. */
const SMALL_BODY = 4 * 1024
const BYTES_PER_TOKEN = 4

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
  if (whole <= SMALL_BODY || present === 0) return Math.ceil(whole / BYTES_PER_TOKEN)
  const tokens = PromptSample.of(text).estimateTokens()
  // The rest of a body that still arrives is taken to be like its beginning.
  return present >= whole ? tokens : Math.ceil((tokens * whole) / present)
}

function sizeOf(pieces: readonly Buffer[]): number {
  let bytes = 0
  for (const piece of pieces) bytes += piece.length
  return bytes
}
