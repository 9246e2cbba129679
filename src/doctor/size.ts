import { CHAT } from './arrival.js'
import { buildPathUrl } from './base-url.js'
import { createBlankBody } from './bodies.js'
import { fail, pass, type Seen, warn } from './finding.js'
import { findRemedy } from './front.js'
import { detectBodyKind, quoteBody } from './quote.js'
import type { Check, Need, Visit } from './visit.js'
import { findHeader, formatSeconds, isAnswer } from './wire.js'

const NEEDS: readonly Need[] = ['address', 'connection', 'relay', 'path', 'trust']
const MIB = 1024 * 1024

/** Agents send whole files, and screenshots as text: such bodies are usual. */
export const BODY_SIZES: readonly Check[] = [1, 8].map((size) => ({
  name: `${size} MiB body`,
  needs: [...NEEDS, 'key', 'model', 'size'],
  tried: () => 'POST, a blank prompt that no model is paid for',
  async run(visit) {
    const seen = await tryBody(visit, size * MIB)
    if (seen.outcome !== 'ok') visit.lacking.set('size', `${size} MiB did not pass`)
    return seen
  },
}))

async function tryBody(visit: Visit, bytes: number): Promise<Seen> {
  const headers = { ...visit.authorization, 'content-type': 'application/json' }
  const body = createBlankBody(visit.model ?? '', bytes)
  const advice = findRemedy('body', visit.front)
  const answer = await visit.ask('POST', buildPathUrl(visit.base, CHAT), headers, body, 1)
  if (!isAnswer(answer)) {
    return answer.late
      ? warn(
          `${answer.trouble}: a slow way up from here, or a proxy that holds it`,
          '--timeout 60 waits longer',
        )
      : fail(`the connection was closed while it was sent (${answer.trouble})`, ...advice)
  }
  const text = quoteBody(answer, visit.key)
  const code = findHeader(answer, 'x-thinwire-error')
  if (code === 'body_too_large') return fail(text, 'Thinwire: a larger limits.bodyBytes')
  const shape = detectBodyKind(answer)
  // An upstream's own limit is told as its errors are.
  if (answer.status === 413 && shape === 'error') {
    return warn(text, 'the limit is that of the upstream, or of a gateway there')
  }
  // Caddy tells of its limit with a bare 502.
  const bare = answer.status >= 500 && shape !== 'error' && shape !== 'json'
  if (answer.status === 413 || shape === 'page' || bare) return fail(text, ...advice)
  if (code !== undefined) return warn(text)
  return pass(`passed in ${formatSeconds(answer.totalMs)} (${answer.status})`)
}

const LINES = 5
const LINE_BYTES = 8 * 1024

/** Long cookies and traces make such heads. A wrong key keeps it from the upstream, whose limits are not looked for. */
export const HEADER_SIZE: Check = {
  name: '40 KB header',
  needs: NEEDS,
  tried: () => `GET /models, ${LINES} headers of 8 KB`,
  async run(visit) {
    const headers: Record<string, string> = { authorization: 'Bearer sk-wrong-key-of-the-doctor' }
    for (let i = 1; i <= LINES; i++) headers[`x-padding-${i}`] = 'x'.repeat(LINE_BYTES)
    const answer = await visit.ask('GET', buildPathUrl(visit.base, '/models'), headers, null, 0.5)
    const advice = findRemedy('header', visit.front)
    if (!isAnswer(answer)) {
      return warn(answer.late ? answer.trouble : `the connection was closed (${answer.trouble})`, ...advice)
    }
    const text = quoteBody(answer, visit.key)
    if (findHeader(answer, 'x-thinwire-error') === 'headers_too_large') {
      return warn(text, 'Thinwire: a larger limits.headerBytes')
    }
    const tooLarge = answer.status === 431 || answer.status === 494 || detectBodyKind(answer) === 'page'
    if (tooLarge || (answer.status === 400 && detectBodyKind(answer) !== 'error'))
      return warn(text, ...advice)
    return pass(`passed (${answer.status})`)
  },
}
