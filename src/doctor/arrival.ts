import { buildPathUrl, buildRootUrl } from './base-url.js'
import { fail, pass, type Seen, warn } from './finding.js'
import { FRONT_NAMES, findRemedy, identifyFront } from './front.js'
import { cleanText, detectBodyKind, parseBody, quoteBody, readField } from './quote.js'
import type { Check, Visit } from './visit.js'
import { type Answer, findHeader, findHeaders, isAnswer } from './wire.js'

/** The window in which Cursor checks a key is a page of this origin. */
export const ORIGIN = 'vscode-file://vscode-app'

export const CHAT = '/chat/completions'

/** A question that no check's answer waits for may take so much of the time. */
const SHARE = 0.4

/** Who answers: the relay tells its name to anyone, and how it was asked. */
export const RELAY: Check = {
  name: 'relay',
  needs: ['address', 'connection'],
  tried: ({ base }) => `GET ${buildRootUrl(base).pathname}, without a key`,
  async run(visit) {
    const answer = await visit.ask('GET', buildRootUrl(visit.base), {}, null, SHARE)
    if (!isAnswer(answer)) {
      visit.lacking.set('relay', 'nothing answers')
      return fail(answer.trouble, ...findRemedy('unreachable', visit.front))
    }
    visit.local.push(answer)
    visit.front = identifyFront(answer) ?? visit.front
    const body = parseBody(answer)
    visit.thinwire =
      readField(body, 'name') === 'thinwire' || findHeader(answer, 'x-thinwire-error') !== undefined
    const through = visit.front === null ? '' : ` through ${FRONT_NAMES[visit.front]}`
    if ([502, 503, 504, 521, 522, 523, 530].includes(answer.status) && detectBodyKind(answer) !== 'error') {
      visit.lacking.set('relay', 'the proxy in front does not reach the relay')
      return fail(
        `${quoteBody(answer, visit.key)}: the proxy does not reach the relay`,
        ...findRemedy('unreachable', visit.front),
      )
    }
    if (!visit.thinwire) return pass(`${answer.status}${through}; whether it is a Thinwire is not told`)
    if (readField(body, 'http') === '1.0') {
      return warn(
        `Thinwire${through}, which asks it by HTTP/1.0: a connection for each request`,
        ...findRemedy('http10', visit.front),
      )
    }
    return pass(`Thinwire answers${through}`)
  },
}

/** Whether a POST arrives where it was sent: clients do not follow redirects, or lose the body or the key on the way. */
export const REDIRECT: Check = {
  name: 'redirect',
  needs: ['address', 'connection', 'relay'],
  tried: () => `POST ${CHAT}, without a key`,
  async run(visit) {
    const headers = { 'content-type': 'application/json' }
    const answer = await visit.ask('POST', buildPathUrl(visit.base, CHAT), headers, '{}', SHARE)
    if (!isAnswer(answer)) return fail(answer.trouble)
    const place = findHeader(answer, 'location')
    if (answer.status >= 300 && answer.status < 400 && place !== undefined) {
      visit.lacking.set('path', 'requests are sent elsewhere')
      return redirected(visit, answer.status, place)
    }
    if (findHeader(answer, 'x-thinwire-error') !== undefined) visit.local.push(answer)
    const shape = detectBodyKind(answer)
    if (answer.status === 404 || answer.status === 405 || (answer.status === 403 && shape === 'page')) {
      return fail(
        `${quoteBody(answer, visit.key)}: that path leads nowhere`,
        'enter the base URL with /v1 at its end, and let the proxy hand all paths on',
      )
    }
    if (answer.status === 401 || answer.status === 400) return pass(`${answer.status}, no redirect`)
    return shape === 'page'
      ? fail(`${quoteBody(answer, visit.key)}, of a proxy`, 'let the proxy hand this path on to the relay')
      : pass(`${answer.status}, no redirect`)
  },
}

function redirected(visit: Visit, status: number, place: string): Seen {
  const { base } = visit
  let target: URL
  try {
    target = new URL(place, buildPathUrl(base, CHAT))
  } catch {
    return fail(`${status} to something that is no URL`, 'let the proxy hand this path on to the relay')
  }
  const shown = cleanText(`${target.origin}${target.pathname}`, visit.key)
  const loss =
    status === 307 || status === 308
      ? target.origin === base.url.origin
        ? 'not every client follows'
        : 'clients leave the key out when they follow to another host'
      : 'a POST becomes a GET without its body'
  if (
    /(?:^|\.)cloudflareaccess\.com$|\/(?:login|signin|oauth2?|auth)\b/i.test(target.host + target.pathname)
  ) {
    return fail(
      `${status} to a login page, ${shown}`,
      "let this host's API past the login (Cloudflare Access: a Bypass policy); the key is the lock",
    )
  }
  const entered = `${target.origin}${target.pathname}`.replace(/\/+chat\/completions\/?$/, '')
  return fail(`${status} to ${shown}: ${loss}`, `enter ${cleanText(entered, visit.key)}`)
}

/** The key check is a `fetch` from a window, so it is asked first whether it may be sent (Fetch standard, CORS-preflight). */
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
    const answer = await visit.ask('OPTIONS', buildPathUrl(visit.base, CHAT), headers, null, SHARE)
    const advice = findRemedy('cors', visit.front)
    if (!isAnswer(answer)) return fail(answer.trouble, ...advice)
    visit.local.push(answer)
    if (answer.status < 200 || answer.status > 299) return fail(quoteBody(answer, visit.key), ...advice)
    const flaw = originFlaw(answer)
    if (flaw !== null) return fail(`${answer.status}, but ${flaw}`, ...advice)
    const names = listOf(answer, 'access-control-allow-headers')
    // `*` does not stand for authorization (Fetch standard, CORS non-wildcard request-header name).
    const missing = ['authorization', 'content-type'].filter(
      (name) => !names.includes(name) && (name === 'authorization' || !names.includes('*')),
    )
    if (missing.length > 0) {
      return fail(
        `${answer.status}, but access-control-allow-headers has no ${missing.join(', ')}`,
        ...advice,
      )
    }
    return pass(`${answer.status}, allowed`)
  },
}

/** Why a page of Cursor's may not read an answer; null if it may. */
function originFlaw(answer: Answer): string | null {
  const values = findHeaders(answer, 'access-control-allow-origin').flatMap((value) => value.split(','))
  const [value, second] = values.map((each) => each.trim())
  if (value === undefined) return 'there is no access-control-allow-origin'
  if (second !== undefined) return 'access-control-allow-origin is there twice'
  return value === '*' || value === ORIGIN
    ? null
    : `access-control-allow-origin is ${cleanText(value, '').slice(0, 60)}`
}

function listOf(answer: Answer, lower: string): string[] {
  return findHeaders(answer, lower).flatMap((value) => value.toLowerCase().split(/\s*,\s*/))
}

/** Answers of the API itself are read by the same page, errors too: without leave, it sees no more than that it failed. */
export const CORS: Check = {
  name: 'cors',
  needs: ['address', 'connection', 'relay', 'path', 'trust'],
  pointless: ({ readable }) => (readable.length === 0 ? 'there was no answer' : null),
  untimed: true,
  tried: (visit) =>
    `CORS of answers (${readable(visit)
      .map(([name]) => name)
      .join(', ')})`,
  run(visit) {
    const flaws: string[] = []
    for (const [name, answer] of readable(visit)) {
      const flaw = originFlaw(answer)
      if (flaw !== null) flaws.push(`${name}: ${flaw}`)
    }
    if (flaws.length === 0) return pass('a page may read them')
    return fail(
      flaws.join('; '),
      visit.thinwire
        ? 'no add_header, header or rule for access-control-*: Thinwire sends it'
        : 'send it with every answer, errors too',
    )
  },
}

/** In an order that does not hang on which was quicker. */
function readable(visit: Visit): Array<readonly [string, Answer]> {
  return [...visit.readable].sort(([a], [b]) => (a < b ? -1 : 1))
}

const SKEW_MS = 60_000

/** A clock that is wrong has certificates refused, and the ledger's times are wrong with it. */
export const CLOCK: Check = {
  name: 'clock',
  needs: ['address', 'connection'],
  pointless: ({ local }) => (local.some((each) => dateOf(each) !== null) ? null : 'no answer had a date'),
  untimed: true,
  tried: () => 'the Date header beside this clock',
  run({ local }) {
    const skews = local.flatMap((answer) => dateOf(answer) ?? []).sort((a, b) => a - b)
    const skew = skews[skews.length >> 1] ?? 0
    if (Math.abs(skew) <= SKEW_MS) return pass('they agree')
    const amount = `${Math.round(Math.abs(skew) / 1000)} s ${skew > 0 ? 'ahead of' : 'behind'}`
    return warn(`${amount} this machine's`, 'set the clock by NTP, there or here (timedatectl)')
  },
}

/** How far it is ahead, in milliseconds; null without a date. */
function dateOf(answer: Answer): number | null {
  const date = Date.parse(findHeader(answer, 'date') ?? '')
  return Number.isNaN(date) ? null : date - answer.headAt
}
