/*
 * The words of the vendors' errors: types, codes and reasons, in lower case. All who ask what an error means read them
 * here, whether it came as a response or within one.
 */

/** The account has used up what it has paid for, or may use (error codes of the vendors' API references). */
const QUOTA_WORDS =
  /^(?:insufficient_?(?:user_)?quota|insufficient_?(?:balance|credits?|funds)(?:_error)?|billing_(?:hard_limit_reached|not_active|error)|exceeded_current_quota(?:_error)?|arrearage|accountoverdue(?:error)?|allocationquota\.freetieronly|payment_required|out_of_credits|no_credits?|credit_limit_exceeded|credits_exhausted|spend(?:ing)?_limit(?:_exceeded|_reached)?|usage_limit_(?:reached|exceeded)|budget_exceeded|quota_exhausted|servicequotaexceededexception|1113)$/

/** The same in words, where an upstream does not repeat what a client sent. */
export const QUOTA_TEXT =
  /exceeded your current quota|credit balance|insufficient (?:balance|credits?|funds|quota)|(?:out of|no|used all available) credits|spending limit|monthly (?:spend|usage|spending) limit|api usage limits|payment required|account (?:is )?(?:in arrears|overdue)/i

/** These say that the key is not good; with any status. */
const KEY_WORDS =
  /^(?:(?:invalid|incorrect|expired|missing|revoked|disabled)_?api_?key|api_?key_?(?:invalid|expired|revoked|disabled|missing|service_blocked|http_referrer_blocked|ip_address_blocked)|invalid_?authentication(?:_error)?|authentication_?(?:error|failed)|unauthenticated|unauthori[sz]ed|unrecognizedclientexception|invalidsignatureexception|(?:expired|invalid)_?token(?:exception)?|missingauthenticationtoken(?:exception)?|token_expired|invalid_(?:credentials?|key)|account_(?:deactivated|suspended|disabled|locked)|organization_(?:restricted|suspended|disabled)|unsupported_country_region_territory|service_disabled|consumer_(?:suspended|invalid)|permission_?(?:error|denied)|access_?denied(?:exception)?)$/

/** A 403 may be about what the client sent, not about the account. */
export const CONTENT_WORDS =
  /content|polic(?:y|ies)|moderation|safety|flagged|guardrail|prohibited|sensitive|data_?inspection|recitation|harm/

/** The account lacks the model: another one may have it. */
const MODEL_WORDS =
  /^(?:deploymentnotfound|model_?not_?found(?:_error|error)?|model_not_(?:available|exist|supported)|(?:invalid|unknown|unsupported|no_such)_model|model_(?:decommissioned|deprecated|terms_required)|resourcenotfoundexception)$/

/** Whether it says that the account has used up what it may use. */
export function isQuotaWord(word: string): boolean {
  return QUOTA_WORDS.test(word)
}

/** Whether it says that the key is not good. */
export function isKeyWord(word: string): boolean {
  return KEY_WORDS.test(word)
}

/** Whether it says that the account lacks the model. */
export function isModelWord(word: string): boolean {
  return MODEL_WORDS.test(word)
}
