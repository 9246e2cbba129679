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
