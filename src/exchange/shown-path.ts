import { redactText } from './log-text.js'
import type { RequestSummary } from './summary.js'

/** The path as documentation writes it, whatever way the client came by; without the query, which may hold a key. */
export function formatPath(summary: RequestSummary): string {
  const path = redactText(summary.request.path)
  if (summary.request.isCursor) return `/cursor/v1${path}`
  return summary.outcome.upstream === null && summary.outcome.end === 'local' ? path : `/v1${path}`
}
