import { buildPathUrl, buildRootUrl, readPrefix } from './base-url.js'
import { fail, pass, type Seen, skip, warn } from './finding.js'
import { FRONT_NAMES, findRemedy, identifyFront } from './front.js'
import { describeTlsPort } from './front-fault.js'
import { findHeader, findHeaders, type HttpResponse, isResponse, send } from './http-request.js'
import { cleanText, detectBodyKind, parseBody, quoteBody, readField } from './quote.js'
import type { Check, Visit } from './visit.js'

/** The origin of the window in which Cursor checks a key. */
export const ORIGIN = 'vscode-file://vscode-app'

/** Path of chat completions, after the base URL. */
export const CHAT = '/chat/completions'

/** Share of the time for a request that needs no model. */
const SHARE = 0.4

/** Which server responds. The relay tells its name, and the HTTP version of the request, to everybody. */
export const RELAY: Check = {
  name: 'relay',
  needs: ['address', 'connection'],
  tried: ({ base }) => `GET ${buildRootUrl(base).pathname}, without a key`,
  async run(visit) {
    const response = await visit.send('GET', buildRootUrl(visit.base), {}, null, SHARE)
    if (!isResponse(response)) {
      visit.missing.set('relay', 'there is no response')
      if (!response.late && (await speaksTls(visit))) return describeTlsPort(visit.base)
      return fail(response.reason, ...findRemedy('unreachable', visit.front))
    }
    if (visit.fault !== null) return visit.fault.seen
    visit.local.push(response)
    visit.front = identifyFront(response) ?? visit.front
    const body = parseBody(response)
    visit.thinwire =
      readField(body, 'name') === 'thinwire' || findHeader(response, 'x-thinwire-error') !== undefined
    const prefix = readPrefix(visit.base)
    if (visit.thinwire && prefix !== '' && readField(body, 'name') !== 'thinwire') {
      visit.missing.set('relay', 'the prefix has to be removed first')
      return fail(
        `Thinwire responds, but it gets the path with ${prefix} in front, which it does not know`,
        ...findRemedy('prefix', visit.front).map((line) => line.replaceAll('/PREFIX', prefix)),
      )
    }
    const through = visit.front === null ? '' : ` through ${FRONT_NAMES[visit.front]}`
    if (
      [502, 503, 504, 521, 522, 523, 530].includes(response.status) &&
      detectBodyKind(response) !== 'error'
    ) {
      visit.missing.set('relay', 'the proxy in front does not reach the relay')
      return fail(
        `${quoteBody(response, visit.key)}: the proxy does not reach the relay`,
        ...findRemedy('unreachable', visit.front),
      )
    }
    if (!visit.thinwire) return pass(`${response.status}${through}; not known to be a Thinwire`)
    if (readField(body, 'http') === '1.0') {
      return warn(
        `Thinwire${through}, which uses HTTP/1.0: a new connection for each request`,
        ...findRemedy('http10', visit.front),
      )
    }
    return pass(`Thinwire responds${through}`)
  },
}

/** Whether the port that gave no response to plain HTTP has TLS. No key is sent. */
async function speaksTls({ base, timeoutMs }: Visit): Promise<boolean> {
  if (base.secure) return false
  const url = new URL(base.url)
  // A port in full: setting the scheme alone would change a default one.
  url.protocol = 'https:'
  url.port = String(base.port)
  const body = null
  return isResponse(
    await send({ method: 'HEAD', url, headers: {}, body, timeoutMs: timeoutMs * SHARE, roots: null }),
  )
}

/** Whether a POST is redirected. Clients do not follow redirects, or lose the body or the key. */
export const REDIRECT: Check = {
  name: 'redirect',
  needs: ['address', 'connection', 'relay'],
  tried: () => `POST ${CHAT}, without a key`,
  async run(visit) {
    const headers = { 'content-type': 'application/json' }
    const response = await visit.send('POST', buildPathUrl(visit.base, CHAT), headers, '{}', SHARE)
    if (!isResponse(response)) return fail(response.reason)
    const place = findHeader(response, 'location')
    if (response.status >= 300 && response.status < 400 && place !== undefined) {
      visit.missing.set('path', 'requests are redirected')
      return describeRedirect(visit, response.status, place)
    }
    if (findHeader(response, 'x-thinwire-error') !== undefined) visit.local.push(response)
    const kind = detectBodyKind(response)
    if (response.status === 404 || response.status === 405) {
      visit.missing.set('path', 'the path does not exist')
      return fail(
        `${quoteBody(response, visit.key)}: the path does not exist`,
        'enter the base URL with /v1 at its end, and let the proxy forward all paths',
      )
    }
    if (response.status === 401 || response.status === 400) return pass(`${response.status}, no redirect`)
    if (kind !== 'page') return pass(`${response.status}, no redirect`)
    visit.missing.set('path', 'a proxy answers in place of the relay')
    return fail(
      `${quoteBody(response, visit.key)}, from a proxy`,
      'let the proxy forward this path to the relay',
    )
  },
}

function describeRedirect(visit: Visit, status: number, place: string): Seen {
  const { base } = visit
  let target: URL
  try {
    target = new URL(place, buildPathUrl(base, CHAT))
  } catch {
    return fail(`${status} to an invalid URL`, 'let the proxy forward this path to the relay')
  }
  const shown = cleanText(`${target.origin}${target.pathname}`, visit.key)
  const loss =
    status === 307 || status === 308
      ? target.origin === base.url.origin
        ? 'not every client follows it'
        : 'clients drop the key when they follow it to another host'
      : 'a POST becomes a GET without its body'
  if (
    /(?:^|\.)cloudflareaccess\.com$|\/(?:login|signin|oauth2?|auth)\b/i.test(target.host + target.pathname)
  ) {
    return fail(
      `${status} to a login page, ${shown}`,
      "exempt this host's API from the login (Cloudflare Access: a Bypass policy); the key protects it",
    )
  }
  const entered = `${target.origin}${target.pathname}`.replace(/\/+chat\/completions\/?$/, '')
  return fail(`${status} to ${shown}: ${loss}`, `enter ${cleanText(entered, visit.key)}`)
}

/**
 * The preflight. Cursor's key check is a `fetch` from a window, so a preflight comes first (Fetch standard,
 * CORS-preflight).
 */
export const PREFLIGHT: Check = {
  name: 'preflight',
  needs: ['address', 'connection', 'relay', 'path'],
  tried: () => "OPTIONS, as Cursor's key check sends it",
  async run(visit) {
    const headers = {
      origin: ORIGIN,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type',
    }
    const response = await visit.send('OPTIONS', buildPathUrl(visit.base, CHAT), headers, null, SHARE)
    const advice = findRemedy('cors', visit.front)
    if (!isResponse(response)) return fail(response.reason, ...advice)
    visit.local.push(response)
    if (response.status < 200 || response.status > 299) return fail(quoteBody(response, visit.key), ...advice)
    const flaw = findOriginFlaw(response)
    visit.preflightFlaw = flaw
    if (flaw !== null) return fail(`${response.status}, but ${flaw}`, ...advice)
    const names = readList(response, 'access-control-allow-headers')
    // `*` does not stand for authorization (Fetch standard, CORS non-wildcard request-header name).
    const missing = ['authorization', 'content-type'].filter(
      (name) => !names.includes(name) && (name === 'authorization' || !names.includes('*')),
    )
    if (missing.length > 0) {
      return fail(
        `${response.status}, but access-control-allow-headers has no ${missing.join(', ')}`,
        ...advice,
      )
    }
    return pass(`${response.status}, allowed`)
  },
}

/** Finds why a page of Cursor may not read a response. @returns null if it may */
function findOriginFlaw(response: HttpResponse): string | null {
  const values = findHeaders(response, 'access-control-allow-origin').flatMap((value) => value.split(','))
  const [value, second] = values.map((each) => each.trim())
  if (value === undefined) return 'there is no access-control-allow-origin'
  if (second !== undefined) return 'access-control-allow-origin is there twice'
  return value === '*' || value === ORIGIN
    ? null
    : `access-control-allow-origin is ${cleanText(value, '').slice(0, 60)}`
}

function readList(response: HttpResponse, lower: string): string[] {
  return findHeaders(response, lower).flatMap((value) => value.toLowerCase().split(/\s*,\s*/))
}

/**
 * CORS of the API's responses. The same page reads them, errors too; without CORS it only sees that the request
 * failed.
 */
export const CORS: Check = {
  name: 'cors',
  needs: ['address', 'connection', 'relay', 'path', 'trust'],
  skipReason: ({ readable }) => (readable.length === 0 ? 'there was no response' : null),
  untimed: true,
  tried: (visit) =>
    `CORS of responses (${sortReadable(visit)
      .map(([name]) => name)
      .join(', ')})`,
  run(visit) {
    const flaws: string[] = []
    for (const [name, response] of sortReadable(visit)) {
      const flaw = findOriginFlaw(response)
      if (flaw !== null) flaws.push(`${name}: ${flaw}`)
    }
    if (flaws.length === 0) return pass('a page may read them')
    const known = visit.preflightFlaw
    if (known !== null && flaws.every((flaw) => flaw.endsWith(`: ${known}`)))
      return skip('the preflight has the same fault')
    return fail(
      flaws.join('; '),
      visit.thinwire
        ? 'remove each add_header, header or rule for access-control-*: Thinwire sends it'
        : 'send it with every response, errors too',
    )
  },
}

/** In an order that does not depend on which response was faster. */
function sortReadable(visit: Visit): Array<readonly [string, HttpResponse]> {
  return [...visit.readable].sort(([a], [b]) => (a < b ? -1 : 1))
}

const SKEW_MS = 60_000

/** The relay's clock. With a wrong clock certificates are refused, and the times in the ledger are wrong. */
export const CLOCK: Check = {
  name: 'clock',
  needs: ['address', 'connection'],
  skipReason: ({ local }) =>
    local.some((each) => readSkew(each) !== null) ? null : 'no response had a date',
  untimed: true,
  tried: () => 'the Date header against this clock',
  run({ local }) {
    const skews = local.flatMap((response) => readSkew(response) ?? []).sort((a, b) => a - b)
    const skew = skews[skews.length >> 1] ?? 0
    if (Math.abs(skew) <= SKEW_MS) return pass('they agree')
    const amount = `${Math.round(Math.abs(skew) / 1000)} s ${skew > 0 ? 'ahead of' : 'behind'}`
    return warn(`${amount} this machine's`, 'set the clock by NTP, there or here (timedatectl)')
  },
}

/** How far the relay's clock is ahead, in milliseconds; null without a date. */
function readSkew(response: HttpResponse): number | null {
  const date = Date.parse(findHeader(response, 'date') ?? '')
  return Number.isNaN(date) ? null : date - response.headAt
}
