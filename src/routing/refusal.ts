import type { ErrorFacts } from './error-facts.js'
import { CONTENT_WORDS, isKeyWord, isModelWord, isQuotaWord, QUOTA_TEXT } from './error-words.js'
import { classifyFailure, type FailureKind } from './outcome.js'

<<<<<<< HEAD
/** A used-up quota, at the beginning of a refusal with status 400 or 404, which may repeat what a client sent. */
const QUOTA_START =
  /^(?:your credit balance is too low|you have reached your specified (?:api|workspace) usage limits|insufficient balance)/i

/** A key that is not good, at the beginning of a refusal with status 400. */
=======
/** The account has used up what it has paid for, or may use (error codes of the vendors' API references). */
const QUOTA_WORDS =
  /^(?:insufficient_?(?:user_)?quota|insufficient_?(?:balance|credits?|funds)(?:_error)?|billing_(?:hard_limit_reached|not_active|error)|exceeded_current_quota(?:_error)?|arrearage|accountoverdue(?:error)?|allocationquota\.freetieronly|payment_required|out_of_credits|no_credits?|credit_limit_exceeded|credits_exhausted|spend(?:ing)?_limit(?:_exceeded|_reached)?|usage_limit_(?:reached|exceeded)|budget_exceeded|quota_exhausted|servicequotaexceededexception|1113)$/

/** The same in words, where an upstream does not repeat what a client sent. */
const QUOTA_TEXT =
  /exceeded your current quota|credit balance|insufficient (?:balance|credits?|funds|quota)|(?:out of|no|used all available) credits|spending limit|monthly (?:spend|usage|spending) limit|api usage limits|payment required|account (?:is )?(?:in arrears|overdue)/i

/** The same at the beginning of a refusal with status 400 or 404, which may repeat what a client sent. */
const QUOTA_START =
  /^(?:your credit balance is too low|you have reached your specified (?:api|workspace) usage limits|insufficient balance)/i

/** These say that the key is not good; with any status. */
const KEY_WORDS =
  /^(?:(?:invalid|incorrect|expired|missing|revoked|disabled)_?api_?key|api_?key_?(?:invalid|expired|revoked|disabled|missing|service_blocked|http_referrer_blocked|ip_address_blocked)|invalid_?authentication(?:_error)?|authentication_?(?:error|failed)|unauthenticated|unauthori[sz]ed|unrecognizedclientexception|invalidsignatureexception|(?:expired|invalid)_?token(?:exception)?|missingauthenticationtoken(?:exception)?|token_expired|invalid_(?:credentials?|key)|account_(?:deactivated|suspended|disabled|locked)|organization_(?:restricted|suspended|disabled)|unsupported_country_region_territory|service_disabled|consumer_(?:suspended|invalid)|permission_?(?:error|denied)|access_?denied(?:exception)?)$/

/** A rate limit that has another status than 429 (AWS, Common Errors). */
const RATE_WORDS = /^(?:throttling(?:exception)?|toomanyrequestsexception|requestlimitexceeded)$/

/** The same at the beginning of a refusal with status 400. */
>>>>>>> eyes2
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
