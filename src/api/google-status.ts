/** The words of `google.rpc.Code`, by the HTTP status that stands for each (AIP-193). */
const STATUSES: Readonly<Record<number, string>> = {
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  408: 'DEADLINE_EXCEEDED',
  409: 'ABORTED',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  504: 'DEADLINE_EXCEEDED',
  505: 'INVALID_ARGUMENT',
}

/** Other faults of the client are invalid arguments. Google has no word for a bad gateway; it may be tried again. */
export function findGoogleStatus(status: number): string {
  return STATUSES[status] ?? (status < 500 ? 'INVALID_ARGUMENT' : 'UNAVAILABLE')
}
