/**
 * The status that a vendor gives such an error where it comes before the head (Anthropic API reference, Errors; OpenAI
 * API reference, Errors and the error codes of a response; Google API design guide, Errors). An error of an unknown
 * type is the upstream's own.
 * @param type code or type of an error within a response
 */
export function findErrorStatus(type: string): number {
  if (/overloaded|unavailable/i.test(type)) return 503
  if (/rate_limit|too_many|resource_exhausted|quota|^429$/i.test(type)) return 429
  return CLIENT_FAULTS.test(type) ? 400 : 500
}

/** Errors about the request, which would come again at any time. */
const CLIENT_FAULTS =
  /invalid|not_found|authentication|permission|billing|content|policy|too_large|too_small|too_long|length|unsupported|image|moderation|safety|recitation|blocked|tool_use_failed|failed_precondition|out_of_range|unimplemented|^4\d\d$/i
