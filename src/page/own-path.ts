/** Longest target of a request that is looked at. */
const LONGEST = 8_192

/** What a request asks for. */
export interface PageTarget {
  readonly path: string
  readonly query: URLSearchParams
}

/** @param url of the request line @returns null if it is none that this page has */
export function readTarget(url: string | undefined): PageTarget | null {
  if (url === undefined || url.length > LONGEST || !isOwnPath(url)) return null
  const at = url.indexOf('?')
  const path = at === -1 ? url : url.slice(0, at)
  return { path, query: new URLSearchParams(at === -1 ? '' : url.slice(at + 1)) }
}

/** The way to the same place without a token. */
export function formatTarget({ path, query }: PageTarget): string {
  const rest = new URLSearchParams(query)
  rest.delete('token')
  const text = rest.toString()
  return text === '' ? path : `${path}?${text}`
}

/**
 * Whether a text is a path of this page, so that a browser may be sent there: no other host (`//evil`, `/\evil`), and
 * no character that browsers leave out.
 */
export function isOwnPath(text: string): boolean {
  return text.length <= LONGEST && /^\/(?![/\\])[\x21-\x7e]*$/.test(text) && !text.includes('\\')
}
