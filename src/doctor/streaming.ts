import { describeRefusal, describeSlow, formatModelSuffix } from './api.js'
import { CHAT } from './arrival.js'
import { buildPathUrl } from './base-url.js'
import { createChatBody } from './bodies.js'
import { type EventsSeen, readEvents } from './events.js'
import { combine, fail, pass, type Seen, warn } from './finding.js'
import { findRemedy } from './front.js'
import { findHeader, formatSeconds, type HttpResponse, isResponse } from './http-request.js'
import { judgePace } from './pace.js'
import { cleanText } from './quote.js'
import type { Check, Need, Visit } from './visit.js'

const NEEDS: readonly Need[] = ['address', 'connection', 'relay', 'path', 'trust', 'key', 'model']

/** Share of the time for a stream. After it the stream is judged as far as it has come. */
const SHARE = 0.6

/** Smallest lumps of nginx in bytes: its buffers have 4 KiB, and `postpone_output` waits for a segment of 1,460. */
const BUFFER = 3_500
const SEGMENT = 1_300

/** A chat body is tried with any base URL; Cursor's agent only where all its bodies are translated. */
export function createStreamChecks(visit: Visit): readonly Check[] {
  return visit.cursor ? [STREAM] : [STREAM, NOT_CURSOR]
}

const NOT_CURSOR: Check = {
  name: 'agent mode',
  needs: NEEDS,
  skipReason: () => "Cursor's agent is for a base URL that ends in /cursor/v1 (--cursor tries it here)",
  tried: () => "bodies of Cursor's agent",
  run: () => pass('not tried'),
}

const STREAM: Check = {
  name: 'stream',
  needs: NEEDS,
  tried: (visit) => `POST ${CHAT}, streamed, with tools${formatModelSuffix(visit)}`,
  async run(visit) {
    // Cursor's servers send no Origin.
    const headers = { ...visit.authorization, 'content-type': 'application/json' }
    const body = createChatBody(visit.model ?? '')
    const response = await visit.send('POST', buildPathUrl(visit.base, CHAT), headers, body, SHARE)
    if (!isResponse(response)) return response.late ? describeSlow(response.reason) : fail(response.reason)
    if (response.status !== 200) return describeRefusal(response, visit, body)
    const events = readEvents(response)
    visit.streams.push({ response, events })
    return judgeStream(response, events, visit)
  },
}

function judgeStream(response: HttpResponse, events: EventsSeen, visit: Visit): Seen {
  const type = findHeader(response, 'content-type') ?? 'none'
  if (!/^text\/event-stream\b/i.test(type)) {
    return fail(
      `200, but the content-type is ${cleanText(type, visit.key).slice(0, 60)}`,
      'it has to be text/event-stream: proxies such as cloudflared hold back anything else',
    )
  }
  const { chunks, done, error, finish, foreign } = events
  const count = `${chunks} chunks in ${formatSeconds(response.totalMs)}`
  if (error !== null) return fail(`200, then an error: ${cleanText(error, visit.key).slice(0, 240)}`)
  if (foreign !== null) {
    return fail(
      `200, but events that Cursor does not read (${cleanText(foreign, visit.key).slice(0, 60)})`,
      'the response has to be chat completion chunks',
    )
  }
  if (response.end === 'cut')
    return fail(`200, but cut off after ${count}`, "see the proxy's log for the cause")
  if (events.unindexed) {
    return fail(
      `200, ${count}, but tool_calls without index`,
      'Cursor needs tool_calls[].index: ask the operator of the model',
    )
  }
  if (response.end === 'late') {
    return chunks > 0
      ? pass(`200, ${count}; then the doctor closed it`)
      : describeSlow(`200, but no event in ${formatSeconds(response.totalMs)}`)
  }
  if (chunks === 0) return fail('200, but without any event')
  if (!done || finish === null) {
    const missing = [...(finish === null ? ['finish_reason'] : []), ...(done ? [] : ['[DONE]'])].join(' and ')
    return warn(`200, ${count}, without ${missing}`, 'some clients treat such a response as cut off')
  }
  return pass(`200, ${count}`)
}

/** Whether a stream arrives as the model writes it. */
export const PACE: Check = {
  name: 'pace',
  needs: NEEDS,
  skipReason: ({ streams }) => (streams.length === 0 ? 'there was no stream' : null),
  untimed: true,
  tried: () => 'arrival of the events of the stream',
  run(visit) {
    const judged = visit.streams.map(({ response, events }) => ({
      response,
      events,
      ...judgePace(events.times, response.totalMs),
    }))
    const worst = ['held', 'lumps', 'live', 'brief'].flatMap((pace) =>
      judged.filter((each) => each.pace === pace),
    )[0]
    if (worst === undefined) return pass('there was no stream')
    const { response, events, lumps, pace, spanMs } = worst
    const count = `${events.times.length} events`
    const total = formatSeconds(response.totalMs)
    if (pace === 'live') return pass(`${count} in ${total}, one by one`)
    if (pace === 'brief') {
      return findHeader(response, 'content-length') === undefined
        ? warn(`${count} in ${total}: too few to judge`, 'try a model that writes more: --model NAME')
        : describeHeldBack(visit, worst, `${count} with a content-length: collected first`)
    }
    if (pace === 'held') {
      return describeHeldBack(
        visit,
        worst,
        `${count} of ${total} came within ${formatSeconds(spanMs)}, at the end`,
      )
    }
    const size = events.bytes / lumps
    const seen = `${count} in ${total} came in ${lumps} lumps of ${(size / 1024).toFixed(1)} KB`
    if (events.demo || size >= BUFFER) return describeHeldBack(visit, worst, seen)
    // Some models write a few words at a time.
    return size < SEGMENT
      ? pass(`${count} in ${total}, in ${lumps} parts`)
      : warn(`${seen}: by the model, or by a proxy`, ...findRemedy('held', visit.front))
  },
}

function describeHeldBack(
  visit: Visit,
  { response, events }: { readonly response: HttpResponse; readonly events: EventsSeen },
  seen: string,
): Seen {
  // The demo writes at a known pace. Server-Timing of the relay says when it had the head of the response.
  const sure = events.demo || response.headMs - readRelayMs(response) > 400
  const who = sure
    ? 'a proxy in front holds the stream back'
    : 'a proxy holds the stream back, or the model does'
  return fail(`${seen}: ${who}`, ...findRemedy('held', visit.front))
}

/**
 * Milliseconds from the arrival of the request at the relay until it had the response head; Infinity if it is not
 * known. Older relays call a part of it `route`.
 */
function readRelayMs(response: HttpResponse): number {
  const timing = findHeader(response, 'server-timing') ?? ''
  if (!/\battempt;dur=/.test(timing)) return Number.POSITIVE_INFINITY
  let sum = 0
  for (const [, ms] of timing.matchAll(/\b(?:admit|read|plan|route|cache|attempt);dur=([\d.]+)/g))
    sum += Number(ms)
  return sum
}

/**
 * HTTP version, framing and compression of the stream: a client does not see them, but they can delay it or hide a
 * cut.
 */
export const FRAMING: Check = {
  name: 'framing',
  needs: NEEDS,
  skipReason: ({ streams }) => (streams.length === 0 ? 'there was no stream' : null),
  untimed: true,
  tried: () => 'framing of the stream',
  run(visit) {
    const parts: Seen[] = []
    const response = visit.streams[0]?.response
    if (response === undefined) return pass('there was no stream')
    const coding = findHeader(response, 'content-encoding')
    const chunked = /\bchunked\b/i.test(findHeader(response, 'transfer-encoding') ?? '')
    const sized = findHeader(response, 'content-length') !== undefined
    if (response.version === '1.0') {
      parts.push(
        warn(
          'HTTP/1.0: a broken connection looks like the end of the response',
          ...findRemedy('http10', visit.front),
        ),
      )
    } else if (!chunked && !sized) {
      parts.push(
        warn(
          'no chunks: a broken connection looks like the end of the response',
          ...findRemedy('close', visit.front),
        ),
      )
    }
    if (coding !== undefined && coding !== 'identity') {
      parts.push(
        warn(
          `compressed (${cleanText(coding, '').slice(0, 20)}): compression may hold events back`,
          ...findRemedy('compressed', visit.front),
        ),
      )
    }
    return parts.length === 0 ? pass(`HTTP/${response.version}, chunked, not compressed`) : combine(parts)
  },
}

/** A stream that is silent for `--idle` seconds. Only the demo upstream can do that. */
export const IDLE: Check = {
  name: 'idle',
  needs: NEEDS,
  skipReason: ({ idleMs }) => (idleMs === 0 ? '--idle 90 tries it, for 90 s' : null),
  untimed: true,
  tried: ({ idleMs }) =>
    idleMs === 0 ? 'a silent stream' : `a stream that is silent for ${formatSeconds(idleMs)}`,
  async run(visit) {
    const headers = { ...visit.authorization, 'content-type': 'application/json' }
    const body = JSON.stringify({
      model: `thinwire-demo-silent-${Math.round(visit.idleMs / 1000)}`,
      messages: [{ role: 'user', content: 'Say nothing for a while.' }],
      stream: true,
    })
    const url = buildPathUrl(visit.base, CHAT)
    const response = await visit.send('POST', url, headers, body, 1, visit.idleMs + 10_000)
    if (!isResponse(response)) return fail(response.reason, ...adviseOnIdle(visit))
    const events = response.status === 200 ? readEvents(response) : null
    if (events === null || (events.chunks > 0 && !events.demo)) {
      return warn(
        `${response.status} from a model that is not the demo`,
        'try it with a second Thinwire, without provider keys, behind the same proxy',
      )
    }
    if (events.done && response.totalMs >= visit.idleMs)
      return pass(`it stayed open, ${formatSeconds(response.totalMs)} in all`)
    return fail(`cut off after ${formatSeconds(response.totalMs)}`, ...adviseOnIdle(visit))
  },
}

function adviseOnIdle(visit: Visit): string[] {
  const lines = {
    nginx: 'nginx: proxy_read_timeout 660s; in the location',
    caddy: 'Caddy: no read_timeout or response_header_timeout in transport http',
    cloudflare: 'Cloudflare: cuts after 100 s of silence; only its Enterprise plan can change that',
  }
  const { front } = visit
  if (front === 'nginx' || front === 'caddy' || front === 'cloudflare') return [lines[front]]
  return [...Object.values(lines), 'Thinwire: timeouts.idleMs']
}
