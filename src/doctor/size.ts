import { CHAT } from './arrival.js'
import { pathUrl } from './base-url.js'
import { blankBody } from './bodies.js'
import { failed, ok, type Seen, warning } from './finding.js'
import { remedy } from './front.js'
import { shapeOf, told } from './quote.js'
import type { Check, Need, Visit } from './visit.js'
import { header, isAnswer, seconds } from './wire.js'

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
  const body = blankBody(visit.model ?? '', bytes)
  const advice = remedy('body', visit.front)
  const answer = await visit.ask('POST', pathUrl(visit.base, CHAT), headers, body, 1)
  if (!isAnswer(answer)) {
    return answer.late
      ? warning(
          `${answer.trouble}: a slow way up from here, or a proxy that holds it`,
          '--timeout 60 waits longer',
        )
      : failed(`the connection was closed while it was sent (${answer.trouble})`, ...advice)
  }
  const text = told(answer, visit.key)
  const code = header(answer, 'x-thinwire-error')
  if (code === 'body_too_large') return failed(text, 'Thinwire: a larger limits.bodyBytes')
  const shape = shapeOf(answer)
  // An upstream's own limit is told as its errors are.
  if (answer.status === 413 && shape === 'error') {
    return warning(text, 'the limit is that of the upstream, or of a gateway there')
  }
  // Caddy tells of its limit with a bare 502.
  const bare = answer.status >= 500 && shape !== 'error' && shape !== 'json'
  if (answer.status === 413 || shape === 'page' || bare) return failed(text, ...advice)
  if (code !== undefined) return warning(text)
  return ok(`passed in ${seconds(answer.totalMs)} (${answer.status})`)
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
    const answer = await visit.ask('GET', pathUrl(visit.base, '/models'), headers, null, 0.5)
    const advice = remedy('header', visit.front)
    if (!isAnswer(answer)) {
      return warning(
        answer.late ? answer.trouble : `the connection was closed (${answer.trouble})`,
        ...advice,
      )
    }
    const text = told(answer, visit.key)
    if (header(answer, 'x-thinwire-error') === 'headers_too_large') {
      return warning(text, 'Thinwire: a larger limits.headerBytes')
    }
    const tooLarge = answer.status === 431 || answer.status === 494 || shapeOf(answer) === 'page'
    if (tooLarge || (answer.status === 400 && shapeOf(answer) !== 'error')) return warning(text, ...advice)
    return ok(`passed (${answer.status})`)
  },
}
