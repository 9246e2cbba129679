/** Creates an error with a code: one of undici's or llhttp's, so that both clients report the same. */
export function createError(message: string, code: string): Error {
  return Object.assign(new Error(message), { code })
}
