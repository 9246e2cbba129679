import { isUtf8 } from 'node:buffer'
import type { Span } from './cache-key.js'
import type { CachedResponse } from './cached-response.js'
import { CompletionTrimmer } from './completion-trimmer.js'

/** Of one stem. Each pause in typing may leave one, and it is the last ones that are typed into. */
const MOST = 8

/**
 * Members of a request under which a completion goes on where a part of it, put behind the prompt, has ended. With any
 * other it may not: a grammar begins anew, a least number of tokens is counted again.
 */
const GOES_ON = new Set([
  'best_of',
  'cache_prompt',
  'echo',
  'frequency_penalty',
  'logit_bias',
  'logprobs',
  'max_completion_tokens',
  'max_tokens',
  'metadata',
  'min_p',
  'model',
  'n',
  'n_predict',
  'presence_penalty',
  'prompt',
  'prompt_cache_key',
  'random_seed',
  'repeat_penalty',
  'repetition_penalty',
  'safety_identifier',
  'seed',
  'service_tier',
  'stop',
  'stop_token_ids',
  'store',
  'stream',
  'stream_options',
  'suffix',
  'temperature',
  'top_k',
  'top_p',
  'typical_p',
  'user',
])

/** A prompt whose answer is kept. */
export class PrefixEntry {
  readonly key: string
  readonly answer: CachedResponse
  /** As it came: JSON, without its quotes. */
  private readonly prompt: Buffer
  /** Read when it is first asked for; null if the answer cannot be typed into. */
  private continuation: CompletionTrimmer | null | undefined

  constructor(key: string, prompt: Buffer, answer: CachedResponse) {
    this.key = key
    this.answer = answer
    this.prompt = prompt
    this.continuation = undefined
  }

  /** Whether this prompt begins as a longer one does. */
  isBeginningOf(prompt: Buffer): boolean {
    const { length } = this.prompt
    return length < prompt.length && this.prompt.equals(prompt.subarray(0, length))
  }

  /** @param prompt that begins as this one @returns null if it does not go on as the answer does, or to its end */
  restFor(prompt: Buffer): CachedResponse | null {
    if (this.continuation === undefined) this.continuation = CompletionTrimmer.of(this.answer)
    const { answer, continuation } = this
    if (continuation === null) return null
    const { text } = continuation
    const added = prompt.subarray(this.prompt.length)
    // A character has six bytes at most, as \u00XX.
    if (added.length > text.length * 6) return null
    const typed = textOf(added)
    if (typed === null || typed.length >= text.length || !text.startsWith(typed)) return null
    if (isHalf(text, 0) || isHalf(text, typed.length)) return null
    const body = continuation.restAfter(typed.length)
    return body === null ? null : answer.shortened(body, shareOf(answer, typed.length / text.length))
  }
}

/** Kept answers by the stem of their requests, of each the last few. */
export class PrefixIndex {
  private readonly stems: Map<string, Stem>

  constructor() {
    this.stems = new Map()
  }

  /** How many prompts each stem has. */
  get promptCounts(): readonly number[] {
    return [...this.stems.values()].map(({ prompts }) => prompts.length)
  }

  add(stem: string, prompt: PrefixEntry): void {
    const found = this.stems.get(stem)
    if (found === undefined) this.stems.set(stem, { prompts: [prompt], goesOn: null })
    else {
      found.prompts.push(prompt)
      if (found.prompts.length > MOST) found.prompts.shift()
    }
  }

  /** When an answer is no longer kept. */
  remove(stem: string, answer: CachedResponse): void {
    const found = this.stems.get(stem)
    if (found === undefined) return
    const place = found.prompts.findIndex((prompt) => prompt.answer === answer)
    if (place === -1) return
    found.prompts.splice(place, 1)
    if (found.prompts.length === 0) this.stems.delete(stem)
  }

  /**
   * The newest answer that a prompt has been typed into, less what was typed.
   * @param body of the request, and where in it the text of its prompt stands
   * @param isKept asked before an answer is used; may remove it
   */
  find(
    stem: string,
    body: Buffer,
    { start, end }: Span,
    isKept: (prompt: PrefixEntry) => boolean,
  ): CachedResponse | null {
    const found = this.stems.get(stem)
    if (found === undefined) return null
    const prompt = body.subarray(start, end)
    for (let i = found.prompts.length - 1; i >= 0; i--) {
      const kept = found.prompts[i] as PrefixEntry
      if (!kept.isBeginningOf(prompt)) continue
      found.goesOn ??= goesOn(body.toString('utf8', 0, start) + body.toString('utf8', end))
      if (!found.goesOn) return null
      const rest = isKept(kept) ? kept.restFor(prompt) : null
      if (rest !== null) return rest
    }
    return null
  }
}

interface Stem {
  readonly prompts: PrefixEntry[]
  /** Whether its answers can be typed into, by what is asked for; null before that was looked at. */
  goesOn: boolean | null
}

/** @param body with an empty prompt */
function goesOn(body: string): boolean {
  let asked: Readonly<Record<string, unknown>>
  try {
    asked = JSON.parse(body) as Readonly<Record<string, unknown>>
  } catch {
    return false
  }
  for (const [name, value] of Object.entries(asked)) if (value !== null && !GOES_ON.has(name)) return false
  const { n, best_of: bestOf, echo, logprobs } = asked
  return (n ?? 1) === 1 && (bestOf ?? 1) === 1 && (echo ?? false) === false && (logprobs ?? false) === false
}

/** @param json of a string, from one of its characters on */
function textOf(json: Buffer): string | null {
  if (!isUtf8(json)) return null
  try {
    return JSON.parse(`"${json.toString('utf8')}"`) as string
  } catch {
    return null
  }
}

/** Whether the second half of a character stands here (Unicode, 3.9: surrogate pairs). */
function isHalf(text: string, at: number): boolean {
  const unit = text.charCodeAt(at)
  return unit >= 0xdc00 && unit <= 0xdfff
}

/** As an upstream would have counted: what was typed is of the prompt then. How many tokens that are is an estimate. */
function shareOf({ usage: said }: CachedResponse, typed: number): CachedResponse['usage'] {
  const usage = said?.usage ?? null
  if (said === null || usage === null || usage.prompt === null || usage.completion === null) return said
  const moved = Math.round(usage.completion * typed)
  return {
    ...said,
    usage: { ...usage, prompt: usage.prompt + moved, completion: usage.completion - moved },
  }
}
