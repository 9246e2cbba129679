import { CHAT } from './arrival.js'
import { buildPathUrl } from './base-url.js'
import { createBlankBody } from './bodies.js'
import { fail, pass, type Seen, warn } from './finding.js'
import { findRemedy } from './front.js'
import { findHeader, formatSeconds, isResponse } from './http-request.js'
import { detectBodyKind, quoteBody } from './quote.js'
import type { Check, Need, Visit } from './visit.js'

const NEEDS: readonly Need[] = ['address', 'connection', 'relay', 'path', 'trust']
const MIB = 1024 * 1024

/** Whether large bodies pass. Agents send whole files and screenshots, so such bodies are common. */
export const BODY_SIZES: readonly Check[] = [1, 8].map((size) => ({
  name: `${size} MiB body`,
  needs: [...NEEDS, 'key', 'model', 'size'],
  tried: () => 'POST, a blank prompt that costs nothing',
  async run(visit) {
    const seen = await tryBody(visit, size * MIB)
    if (seen.outcome !== 'ok') visit.missing.set('size', `${size} MiB did not pass`)
    return seen
  },
}))

async function tryBody(visit: Visit, bytes: number): Promise<Seen> {
  const headers = { ...visit.authorization, 'content-type': 'application/json' }
  const body = createBlankBody(visit.model ?? '', bytes)
  const advice = findRemedy('body', visit.front)
  const response = await visit.send('POST', buildPathUrl(visit.base, CHAT), headers, body, 1)
  if (!isResponse(response)) {
    return response.late
      ? warn(
          `${response.reason}: a slow upload from here, or a proxy that holds it`,
          '--timeout 60 waits longer',
        )
      : fail(`the connection was closed while it was sent (${response.reason})`, ...advice)
  }
  const text = quoteBody(response, visit.key)
  const code = findHeader(response, 'x-thinwire-error')
  if (code === 'body_too_large') return fail(text, 'Thinwire: a larger limits.bodyBytes')
  const kind = detectBodyKind(response)
  // An upstream reports its own limit in its own error format.
  if (response.status === 413 && kind === 'error') {
    return warn(text, 'this is the limit of the upstream, or of a gateway in front of it')
  }
  // Caddy reports its limit with an empty 502.
  const isEmptyError = response.status >= 500 && kind !== 'error' && kind !== 'json'
  if (response.status === 413 || kind === 'page' || isEmptyError) return fail(text, ...advice)
  if (code !== undefined) return warn(text)
  return pass(`passed in ${formatSeconds(response.totalMs)} (${response.status})`)
}

const HEADER_COUNT = 5
const HEADER_BYTES = 8 * 1024

/**
 * Whether large heads pass: long cookies and traces make them. With a wrong key the request does not reach an
 * upstream.
 */
export const HEADER_SIZE: Check = {
  name: '40 KB header',
  needs: NEEDS,
  tried: () => `GET /models, ${HEADER_COUNT} headers of 8 KB`,
  async run(visit) {
    const headers: Record<string, string> = { authorization: 'Bearer sk-wrong-key-of-the-doctor' }
    for (let i = 1; i <= HEADER_COUNT; i++) headers[`x-padding-${i}`] = 'x'.repeat(HEADER_BYTES)
    const response = await visit.send('GET', buildPathUrl(visit.base, '/models'), headers, null, 0.5)
    const advice = findRemedy('header', visit.front)
    if (!isResponse(response)) {
      return warn(
        response.late ? response.reason : `the connection was closed (${response.reason})`,
        ...advice,
      )
    }
    const text = quoteBody(response, visit.key)
    if (findHeader(response, 'x-thinwire-error') === 'headers_too_large') {
      return warn(text, 'Thinwire: a larger limits.headerBytes')
    }
    const tooLarge = response.status === 431 || response.status === 494 || detectBodyKind(response) === 'page'
    if (tooLarge || (response.status === 400 && detectBodyKind(response) !== 'error'))
      return warn(text, ...advice)
    return pass(`passed (${response.status})`)
  },
}
