/** End reasons that are not failures. A client that leaves does so by choice. */
const GOOD_ENDS: ReadonlySet<string | null> = new Set(['done', 'local', 'client_gone'])

/** What shows that a request failed. */
export type FailureSign = 'status' | 'end' | 'stream_error'

/**
 * Finds what shows that a request failed: no status or one from 400 up, an end that is a failure, or an error that a
 * response of status 200 reports. The one place where reports, metrics and health decide what an error is.
 * @param streamError error that the response reports; null for none
 * @returns null if it did not fail
 */
export function findFailureSign(
  status: number | null,
  end: string | null,
  streamError: string | null,
): FailureSign | null {
  if (status === null || status >= 400) return 'status'
  if (streamError !== null) return 'stream_error'
  return GOOD_ENDS.has(end) ? null : 'end'
}
