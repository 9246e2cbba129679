/**
 * Reads the code of an error, such as `ECONNREFUSED`. An AggregateError, which Node throws when the connections to all
 * addresses of a host have failed, has the code of its first error. Without a code it is the name of the error's class.
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
