import { isUtf8 } from 'node:buffer'
import type { Span } from './cache-key.js'
import type { CachedResponse } from './cached-response.js'
import { CompletionTrimmer } from './completion-trimmer.js'

/** Prompts per prefix key. Each pause in typing may leave one, and users continue the latest ones. */
const MAX_PROMPTS = 8

/**
 * Request members that allow a trimmed completion: with these alone, a prompt plus a part of its completion continues
 * with the rest of that completion. Other members may not: a grammar starts again, a minimum of tokens is counted
 * again.
 */
const TRIMMABLE = new Set([
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

/** A prompt whose response is cached. */
export class PrefixEntry {
  readonly key: string
  readonly response: CachedResponse
  /** The prompt's JSON as it came, without quotes. */
  private readonly prompt: Buffer
  /** Read on first use; null if the response cannot be trimmed. */
  private trimmer: CompletionTrimmer | null | undefined

  constructor(key: string, prompt: Buffer, response: CachedResponse) {
    this.key = key
    this.response = response
    this.prompt = prompt
    this.trimmer = undefined
  }

  /** Whether a longer prompt starts with this one. */
  isBeginningOf(prompt: Buffer): boolean {
    const { length } = this.prompt
    return length < prompt.length && this.prompt.equals(prompt.subarray(0, length))
  }

  /**
   * Returns the rest of the completion.
   * @param prompt starts with this prompt
   * @returns null if the added text is not the beginning of the completion, or is all of it
   */
  restFor(prompt: Buffer): CachedResponse | null {
    if (this.trimmer === undefined) this.trimmer = CompletionTrimmer.of(this.response)
    const { response, trimmer } = this
    if (trimmer === null) return null
    const { text } = trimmer
    const added = prompt.subarray(this.prompt.length)
    // A character takes at most six bytes: `\u00XX`.
    if (added.length > text.length * 6) return null
    const typed = textOf(added)
    if (typed === null || typed.length >= text.length || !text.startsWith(typed)) return null
    if (isHalf(text, 0) || isHalf(text, typed.length)) return null
    const body = trimmer.restAfter(typed.length)
    return body === null ? null : response.shortened(body, shareOf(response, typed.length / text.length))
  }
}

/** The latest cached prompts of each prefix key (`prefixKeyOf`). */
export class PrefixIndex {
  private readonly groups: Map<string, PromptGroup>

  constructor() {
    this.groups = new Map()
  }

  /** Number of prompts of each prefix key. */
  get promptCounts(): readonly number[] {
    return [...this.groups.values()].map(({ prompts }) => prompts.length)
  }

  add(prefixKey: string, prompt: PrefixEntry): void {
    const found = this.groups.get(prefixKey)
    if (found === undefined) this.groups.set(prefixKey, { prompts: [prompt], canTrim: null })
    else {
      found.prompts.push(prompt)
      if (found.prompts.length > MAX_PROMPTS) found.prompts.shift()
    }
  }

  /** Removes a response that is no longer cached. */
  remove(prefixKey: string, response: CachedResponse): void {
    const found = this.groups.get(prefixKey)
    if (found === undefined) return
    const place = found.prompts.findIndex((prompt) => prompt.response === response)
    if (place === -1) return
    found.prompts.splice(place, 1)
    if (found.prompts.length === 0) this.groups.delete(prefixKey)
  }

  /**
   * Finds the newest completion that the prompt continues, and trims the typed part.
   * @param body the body of the request
   * @param span the place of the prompt's text in it
   * @param isKept called before a response is used; may remove the entry
   */
  find(
    prefixKey: string,
    body: Buffer,
    { start, end }: Span,
    isKept: (entry: PrefixEntry) => boolean,
  ): CachedResponse | null {
    const found = this.groups.get(prefixKey)
    if (found === undefined) return null
    const prompt = body.subarray(start, end)
    for (let i = found.prompts.length - 1; i >= 0; i--) {
      const kept = found.prompts[i] as PrefixEntry
      if (!kept.isBeginningOf(prompt)) continue
      found.canTrim ??= canTrim(body.toString('utf8', 0, start) + body.toString('utf8', end))
      if (!found.canTrim) return null
      const rest = isKept(kept) ? kept.restFor(prompt) : null
      if (rest !== null) return rest
    }
    return null
  }
}

interface PromptGroup {
  readonly prompts: PrefixEntry[]
  /** Whether completions can be trimmed, by the members of the request; null before the first check. */
  canTrim: boolean | null
}

/** Whether the members of a request allow trimming. @param body the request with an empty prompt */
function canTrim(body: string): boolean {
  let request: Readonly<Record<string, unknown>>
  try {
    request = JSON.parse(body) as Readonly<Record<string, unknown>>
  } catch {
    return false
  }
  for (const [name, value] of Object.entries(request))
    if (value !== null && !TRIMMABLE.has(name)) return false
  const { n, best_of: bestOf, echo, logprobs } = request
  return (n ?? 1) === 1 && (bestOf ?? 1) === 1 && (echo ?? false) === false && (logprobs ?? false) === false
}

/** Parses a part of a JSON string that starts at a character. */
function textOf(json: Buffer): string | null {
  if (!isUtf8(json)) return null
  try {
    return JSON.parse(`"${json.toString('utf8')}"`) as string
  } catch {
    return null
  }
}

/** Whether the unit at `at` is a low surrogate, the second half of a character (Unicode, 3.9). */
function isHalf(text: string, at: number): boolean {
  const unit = text.charCodeAt(at)
  return unit >= 0xdc00 && unit <= 0xdfff
}

/** Moves the typed share of the completion tokens to the prompt, as an upstream would count. This is an estimate. */
function shareOf({ usage: whole }: CachedResponse, typed: number): CachedResponse['usage'] {
  const usage = whole?.usage ?? null
  if (whole === null || usage === null || usage.prompt === null || usage.completion === null) return whole
  const moved = Math.round(usage.completion * typed)
  return {
    ...whole,
    usage: { ...usage, prompt: usage.prompt + moved, completion: usage.completion - moved },
  }
}
