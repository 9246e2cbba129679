/**
 * The code of an error: the innermost one where errors wrap each other, as an AggregateError of one failed
 * connection per address does.
 */
export function readErrorCode(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  const { code } = error as NodeJS.ErrnoException
  if (typeof code === 'string') return code
  if (error instanceof AggregateError) return readErrorCode(error.errors[0])
  return error.name
}

/** The code of an error and, for a name without an address, that name: `ENOTFOUND api.example.com`. */
export function describeErrorCause(error: unknown): string {
  const code = readErrorCode(error)
  const inner: unknown = error instanceof AggregateError ? error.errors[0] : error
  // Node sets it on the errors of getaddrinfo.
  const hostname = inner instanceof Error && 'hostname' in inner ? inner.hostname : undefined
  return typeof hostname === 'string' ? `${code} ${hostname}` : code
}
