import { type FlatHeaders, findHeader, findHeaders } from '../http/flat-headers.js'

/** Longest `Cookie` header that is looked at. */
const LONGEST = 8_192

/**
 * Finds the value of a cookie. Of several with the same name none counts: another program at the same host may have set
 * one of them, as cookies do not know ports.
 */
export function readCookie(raw: FlatHeaders, name: string): string | null {
  let found: string | null = null
  for (const header of findHeaders(raw, 'cookie')) {
    if (header.length > LONGEST) return null
    for (const pair of header.split(';')) {
      const at = pair.indexOf('=')
      if (at === -1 || pair.slice(0, at).trim() !== name) continue
      if (found !== null) return null
      found = pair.slice(at + 1).trim()
    }
  }
  return found
}

/** @param isSecure the browser reaches the page by https */
export function formatCookie(name: string, value: string, isSecure: boolean): string {
  return `${name}=${value}; Path=/; HttpOnly; SameSite=Strict${isSecure ? '; Secure' : ''}`
}

export function formatEndedCookie(name: string, isSecure: boolean): string {
  return `${formatCookie(name, '', isSecure)}; Max-Age=0`
}

/**
 * Whether the browser reaches the page by https, through a proxy. Whoever says so wrongly only gets a cookie that is
 * good for less.
 */
export function isHttps(raw: FlatHeaders): boolean {
  const named = findHeader(raw, 'x-forwarded-proto')?.split(',', 1)[0]?.trim().toLowerCase()
  return named === 'https' || findHeader(raw, 'origin')?.startsWith('https://') === true
}
