import { redactText } from './log-text.js'
import type { RequestSummary } from './summary.js'

/**
 * Formats the path as documentation writes it, however the client spelled it; without the query, which may hold a key.
 */
export function formatPath(summary: RequestSummary): string {
  const path = redactText(summary.request.path)
  if (summary.request.isCursor) return `/cursor/v1${path}`
  return summary.outcome.upstream === null && summary.outcome.end === 'local' ? path : `/v1${path}`
}
