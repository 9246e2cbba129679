import { CONTENT_WORDS, isKeyWord, isModelWord, isQuotaWord } from './error-words.js'

/**
 * The status that a vendor gives such an error where it comes before the head (Anthropic API reference, Errors; OpenAI
 * API reference, Errors and the error codes of a response; Google API design guide, Errors). An error of an unknown
 * type is the upstream's own.
 * @param words codes and types of an error within a response, the most telling first
 */
export function findErrorStatus(...words: readonly string[]): number {
  for (const word of words) if (/^[45]\d\d$/.test(word)) return Number(word)
  const [type = ''] = words
  if (/overloaded|unavailable/i.test(type)) return 503
  if (/rate_?limit|too_?many|resource_?exhausted|quota|throttl/i.test(type)) return 429
  const word = type.toLowerCase()
  // What is wrong with the account or the model would be wrong again, as what is wrong with the request.
  const isFault =
    isKeyWord(word) ||
    isQuotaWord(word) ||
    isModelWord(word) ||
    CLIENT_FAULTS.test(word) ||
    CONTENT_WORDS.test(word)
  return isFault ? 400 : 500
}

/** Errors about the request, which would come again at any time. */
const CLIENT_FAULTS =
  /invalid|bad_?request|unprocessable|validation|not_?found|authentication|permission|billing|too_large|too_small|too_long|length|unsupported|image|blocked|tool_use_failed|failed_precondition|out_of_range|unimplemented/
