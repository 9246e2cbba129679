import { type FlatHeaders, findHeader, findHeaders } from '../http/flat-headers.js'

/**
 * Whether a request that changes something was sent by this page. `SameSite` does not suffice for that: any other port
 * of the same host is the same site. A page cannot set either of these headers.
 */
export function isFromOwnPage(raw: FlatHeaders): boolean {
  const sites = findHeaders(raw, 'sec-fetch-site')
  // A proxy may have changed the Host, so this counts more.
  if (sites.length > 0) return sites.length === 1 && sites[0] === 'same-origin'
  const origins = findHeaders(raw, 'origin')
  const [origin] = origins
  const host = findHeader(raw, 'host')
  if (origins.length !== 1 || origin === undefined || host === undefined) return false
  const match = /^(https?):\/\/([^/\s]+)$/.exec(origin)
  if (match === null) return false
  const [, scheme = '', authority = ''] = match
  return strip(authority, scheme) === strip(host, scheme)
}

/** Whether a browser says that a page of another origin reads this. Programs that are no browsers say nothing. */
export function isReadByOthers(raw: FlatHeaders): boolean {
  return findHeaders(raw, 'sec-fetch-site').some((site) => site !== 'same-origin' && site !== 'none')
}

/** Without the port that the scheme has anyhow. */
function strip(authority: string, scheme: string): string {
  return authority.toLowerCase().replace(scheme === 'https' ? /:443$/ : /:80$/, '')
}
