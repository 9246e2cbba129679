/** Headers as name, value, name, value, in the order they came: doubled names and the case of letters are kept. */
export type FlatHeaders = readonly string[]

/** Flat headers that are being put together. */
export type FlatHeaderList = string[]

/** Headers of a response: text in Latin-1 (RFC 9110, 5.5), or bytes, as undici's client hands them over. */
export type RawHeaders = readonly (Buffer | string)[]

/**
 * Finds the value of the first header of a name.
 * @param lower the name in lower case
 */
export function findHeader(headers: RawHeaders, lower: string): string | undefined {
  for (let i = 0; i + 1 < headers.length; i += 2) {
    if (isNamed(headers[i] as Buffer | string, lower)) return decodeLatin1(headers[i + 1] as Buffer | string)
  }
  return undefined
}

/**
 * Finds the values of all headers of a name, in their order.
 * @param lower the name in lower case
 */
export function findHeaders(headers: RawHeaders, lower: string): readonly string[] {
  let found: string[] | null = null
  for (let i = 0; i + 1 < headers.length; i += 2) {
    if (!isNamed(headers[i] as Buffer | string, lower)) continue
    found ??= []
    found.push(decodeLatin1(headers[i + 1] as Buffer | string))
  }
  return found ?? NONE
}

const NONE: readonly string[] = []

/**
 * Removes all headers of a name.
 * @param lower the name in lower case
 */
export function removeHeader(headers: FlatHeaderList, lower: string): void {
  for (let i = headers.length - 2; i >= 0; i -= 2) {
    if (isNamed(headers[i] as string, lower)) headers.splice(i, 2)
  }
}

/** Header text as undici's client (bytes) or any other (text) hands it over. */
export function decodeLatin1(value: Buffer | string): string {
  return typeof value === 'string' ? value : value.toString('latin1')
}

function isNamed(name: Buffer | string, lower: string): boolean {
  // The length rules out nearly every header, without a string in lower case.
  if (typeof name === 'string') return name.length === lower.length && name.toLowerCase() === lower
  return name.length === lower.length && name.toString('latin1').toLowerCase() === lower
}
