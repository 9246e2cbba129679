import type { ErrorFacts } from './error-facts.js'
import { CONTENT_WORDS, isKeyWord, isModelWord, isQuotaWord, QUOTA_TEXT } from './error-words.js'
import { classifyFailure, type FailureKind } from './outcome.js'

/** A used-up quota, at the beginning of a refusal with status 400 or 404, which may repeat what a client sent. */
const QUOTA_START =
  /^(?:your credit balance is too low|you have reached your specified (?:api|workspace) usage limits|insufficient balance)/i

/** A rate limit that has another status than 429 (AWS, Common Errors). */
const RATE_WORDS = /^(?:throttling(?:exception)?|toomanyrequestsexception|requestlimitexceeded)$/

/** A key that is not good, at the beginning of a refusal with status 400. */
const KEY_START = /^(?:this organization has been disabled|api key (?:not valid|expired))/i

/** A 403 may be about what the client sent, in words. */
const CONTENT_TEXT =
  /flagged|moderation|content (?:polic|filter|management)|safety|(?:usage|acceptable use) polic|violat|inappropriate|guardrail/i
const ABOUT_ACCOUNT = /\b(?:account|organi[sz]ation|project|workspace|api key|credential|subscription)\b/i

/** The account lacks the model, at the beginning of a refusal. */
const MODEL_START =
  /^(?:(?:the )?(?:requested )?(?:model|deployment)[: ]+['"`]?[^\s'"`]{1,200}['"`]? ?(?:does not exist|not exist|not found|is not (?:available|supported|found)|has been (?:deprecated|decommissioned))|model not exist|models\/\S{1,200} is not found|\S{1,200} is not a valid model id|no endpoints found|the provided model identifier is invalid|invalid model\b|the api deployment for this resource does not exist)/i

/** Statuses whose body decides whether the request is at fault or the account. */
const BY_BODY: ReadonlySet<number> = new Set([400, 403, 404, 422, 429])

/** Whether the body may say that the account is at fault, where the status does not. */
export function isDecidedByBody(status: number): boolean {
  return BY_BODY.has(status)
}

/**
 * Finds the kind of an error response by its status and its body. What a client can write into the message is not
 * trusted: it must not be able to send a target to rest. So words in a message count only where an upstream does not
 * repeat the request, or at the beginning.
 * @param facts null if the body cannot be read; then the status decides
 * @param isOwn the credential is the relay's; a client's own account is the client's
 */
export function classifyRefusal(status: number, facts: ErrorFacts | null, isOwn: boolean): FailureKind {
  const kind = classifyFailure(status, isOwn)
  if (facts === null || status >= 500) return kind
  if (status !== 429 && isModelMissing(facts)) return 'model_missing'
  if (!isOwn) return kind
  if (isQuota(status, facts)) return 'quota_exhausted'
  if (status === 400 && facts.words.some((word) => RATE_WORDS.test(word))) return 'rate_limited'
  if (status === 403) return isContent(facts) ? 'final_status' : kind
  if (status === 400 && (KEY_START.test(facts.message) || facts.words.some(isKeyWord)))
    return 'credential_refused'
  return kind
}

/**
 * Finds the kind of an error that came in place of an answer, with status 200.
 * @param status that a response with this error has; see `findErrorStatus`
 */
export function classifyErrorEvent(status: number, facts: ErrorFacts, isOwn: boolean): FailureKind {
  if (isModelMissing(facts)) return 'model_missing'
  if (isOwn && isQuota(status, facts)) return 'quota_exhausted'
  if (isOwn && facts.words.some(isKeyWord)) return 'credential_refused'
  const kind = classifyFailure(status, isOwn)
  return kind === 'credential_refused' && isContent(facts) ? 'final_status' : kind
}

function isQuota(status: number, { words, message, delayMs }: ErrorFacts): boolean {
  if (words.some(isQuotaWord)) return true
  if (status === 400 || status === 404 || status === 422) return QUOTA_START.test(message)
  // Gemini's rate limit has the same words, and the time when it ends.
  return delayMs === null && QUOTA_TEXT.test(message)
}

function isModelMissing({ words, message }: ErrorFacts): boolean {
  if (words.some(isModelWord) || MODEL_START.test(message)) return true
  // Anthropic: {"type": "not_found_error", "message": "model: claude-x"}.
  return words.includes('not_found_error') && message.startsWith('model: ')
}

function isContent({ words, message }: ErrorFacts): boolean {
  if (words.some((word) => CONTENT_WORDS.test(word) && !isKeyWord(word))) return true
  return CONTENT_TEXT.test(message) && !ABOUT_ACCOUNT.test(message)
}
