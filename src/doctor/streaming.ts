import { describeRefusal, describeSlow, formatModelSuffix } from './api.js'
import { CHAT } from './arrival.js'
import { buildPathUrl } from './base-url.js'
import { createChatBody, createMessagesBody, createMixedBody, createResponsesBody } from './bodies.js'
import { type EventsSeen, readEvents } from './events.js'
import { combine, fail, pass, type Seen, warn } from './finding.js'
import { findRemedy } from './front.js'
import { judgePace } from './pace.js'
import { cleanText } from './quote.js'
import type { Check, Need, Visit } from './visit.js'
import { type Answer, findHeader, formatSeconds, isAnswer } from './wire.js'

const NEEDS: readonly Need[] = ['address', 'connection', 'relay', 'path', 'trust', 'key', 'model']

/** A stream may take so much of the time; then what has come is looked at. */
const SHARE = 0.6

/** Bytes of a lump as nginx makes it: of its buffers nearly 4 KiB, and of what it puts off to fill a segment 1,460. */
const BUFFER = 3_500
const SEGMENT = 1_300

/** What Cursor asks with, by the API that the body is made for. */
const BODIES = [
  { name: 'stream', cursor: false, what: 'streamed, with tools', make: createChatBody },
  { name: 'ask mode', cursor: true, what: 'with the tools of two APIs', make: createMixedBody },
  { name: 'agent mode', cursor: true, what: 'a body of the Responses API', make: createResponsesBody },
  { name: 'claude names', cursor: true, what: "a body of Anthropic's API", make: createMessagesBody },
] as const

/** A chat body goes to any base URL; Cursor's others to the one that is made for them. */
export function createStreamChecks(visit: Visit): readonly Check[] {
  return visit.cursor ? STREAMS : [...STREAMS.slice(0, 1), NOT_CURSOR]
}

const NOT_CURSOR: Check = {
  name: 'agent mode',
  needs: NEEDS,
  pointless: () => "Cursor's other bodies are for a base URL that ends in /cursor/v1 (--cursor tries them)",
  tried: () => 'bodies of other APIs',
  run: () => pass('not tried'),
}

const STREAMS: readonly Check[] = BODIES.map(({ name, cursor, what, make }) => ({
  name,
  needs: NEEDS,
  tried: (visit) => `POST ${CHAT}, ${what}${cursor ? '' : formatModelSuffix(visit)}`,
  async run(visit) {
    // Cursor's servers send no Origin.
    const headers = { ...visit.authorization, 'content-type': 'application/json' }
    const body = make(visit.model ?? '')
    const answer = await visit.ask('POST', buildPathUrl(visit.base, CHAT), headers, body, SHARE)
    if (!isAnswer(answer)) return answer.late ? describeSlow(answer.trouble) : fail(answer.trouble)
    if (answer.status !== 200) return describeRefusal(answer, visit)
    const events = readEvents(answer)
    visit.streams.push({ answer, events })
    return judgeStream(answer, events, visit, cursor)
  },
}))

function judgeStream(answer: Answer, events: EventsSeen, visit: Visit, cursor: boolean): Seen {
  const type = findHeader(answer, 'content-type') ?? 'none'
  if (!/^text\/event-stream\b/i.test(type)) {
    return fail(
      `200, but the content-type is ${cleanText(type, visit.key).slice(0, 60)}`,
      'it has to be text/event-stream: proxies, cloudflared among them, hold back anything else',
    )
  }
  const { chunks, done, error, finish, foreign } = events
  const count = `${chunks} chunks in ${formatSeconds(answer.totalMs)}`
  if (error !== null) return fail(`200, then an error: ${cleanText(error, visit.key).slice(0, 240)}`)
  if (foreign !== null) {
    return fail(
      `200, but events that Cursor does not read (${cleanText(foreign, visit.key).slice(0, 60)})`,
      cursor ? 'enter a base URL that ends in /cursor/v1' : 'the answer has to be chat completion chunks',
    )
  }
  if (answer.end === 'cut') return fail(`200, and cut off after ${count}`, "the proxy's log tells by whom")
  if (events.unindexed) {
    return fail(
      `200, ${count}, but tool_calls without index`,
      'Cursor needs tool_calls[].index: ask whoever runs the model',
    )
  }
  if (answer.end === 'late') {
    return chunks > 0
      ? pass(`200, ${count}, and was left then`)
      : describeSlow(`200, but no event in ${formatSeconds(answer.totalMs)}`)
  }
  if (chunks === 0) return fail('200, but without any event')
  if (!done || finish === null) {
    const missing = [...(finish === null ? ['finish_reason'] : []), ...(done ? [] : ['[DONE]'])].join(' and ')
    return warn(`200, ${count}, without ${missing}`, 'some clients take such an answer for one that was cut')
  }
  return pass(`200, ${count}`)
}

/** Whether a stream comes as the model writes it. */
export const PACE: Check = {
  name: 'pace',
  needs: NEEDS,
  pointless: ({ streams }) => (streams.length === 0 ? 'there was no stream' : null),
  untimed: true,
  tried: () => 'when each event of the stream came',
  run(visit) {
    const judged = visit.streams.map(({ answer, events }) => ({
      answer,
      events,
      ...judgePace(events.times, answer.totalMs),
    }))
    const worst = ['held', 'lumps', 'live', 'brief'].flatMap((pace) =>
      judged.filter((each) => each.pace === pace),
    )[0]
    if (worst === undefined) return pass('none came')
    const { answer, events, lumps, pace, spanMs } = worst
    const count = `${events.times.length} events`
    const total = formatSeconds(answer.totalMs)
    if (pace === 'live') return pass(`${count} in ${total}, piece by piece`)
    if (pace === 'brief') {
      return findHeader(answer, 'content-length') === undefined
        ? warn(`${count} in ${total}: too few to tell`, 'try it with a model that says more: --model NAME')
        : heldBack(visit, worst, `${count} with a content-length: gathered first`)
    }
    if (pace === 'held') {
      return heldBack(visit, worst, `${count} of ${total} came within ${formatSeconds(spanMs)}, at the end`)
    }
    const size = events.bytes / lumps
    const seen = `${count} in ${total} came in ${lumps} lumps of ${(size / 1024).toFixed(1)} KB`
    if (events.demo || size >= BUFFER) return heldBack(visit, worst, seen)
    // Some models give a few words at a time.
    return size < SEGMENT
      ? pass(`${count} in ${total}, in ${lumps} pieces`)
      : warn(`${seen}: the model's own, or a proxy's`, ...findRemedy('held', visit.front))
  },
}

function heldBack(
  visit: Visit,
  { answer, events }: { readonly answer: Answer; readonly events: EventsSeen },
  seen: string,
): Seen {
  // The demo writes at a known pace; and where the relay says when it had the answer's head, that is known, too.
  const sure = events.demo || answer.headMs - relayMs(answer) > 400
  const who = sure
    ? 'a proxy in front holds the stream back'
    : 'a proxy holds the stream back, or the model does'
  return fail(`${seen}: ${who}`, ...findRemedy('held', visit.front))
}

/** Milliseconds from the request's arrival at the relay until it had the head of the answer; Infinity if it does not tell. */
function relayMs(answer: Answer): number {
  const timing = findHeader(answer, 'server-timing') ?? ''
  if (!/\battempt;dur=/.test(timing)) return Number.POSITIVE_INFINITY
  let sum = 0
  for (const [, ms] of timing.matchAll(/\b(?:admit|read|route|attempt);dur=([\d.]+)/g)) sum += Number(ms)
  return sum
}

/** How the stream is wrapped: what a client cannot see, but what makes it late, or a cut look like an end. */
export const FRAMING: Check = {
  name: 'framing',
  needs: NEEDS,
  pointless: ({ streams }) => (streams.length === 0 ? 'there was no stream' : null),
  untimed: true,
  tried: () => 'how the stream is wrapped',
  run(visit) {
    const parts: Seen[] = []
    const answer = visit.streams[0]?.answer
    if (answer === undefined) return pass('none came')
    const coding = findHeader(answer, 'content-encoding')
    const chunked = /\bchunked\b/i.test(findHeader(answer, 'transfer-encoding') ?? '')
    const sized = findHeader(answer, 'content-length') !== undefined
    if (answer.version === '1.0') {
      parts.push(
        warn(
          'HTTP/1.0: a connection that breaks looks like the end of the answer',
          ...findRemedy('http10', visit.front),
        ),
      )
    } else if (!chunked && !sized) {
      parts.push(
        warn(
          'no chunks: a connection that breaks looks like the end of the answer',
          ...findRemedy('close', visit.front),
        ),
      )
    }
    if (coding !== undefined && coding !== 'identity') {
      parts.push(
        warn(
          `compressed (${cleanText(coding, '').slice(0, 20)}): what compresses may wait until it has enough`,
          ...findRemedy('compressed', visit.front),
        ),
      )
    }
    return parts.length === 0 ? pass(`HTTP/${answer.version}, chunked, not compressed`) : combine(parts)
  },
}

/** A stream that says nothing for as long as was asked for: only the demo upstream can be told to. */
export const IDLE: Check = {
  name: 'idle',
  needs: NEEDS,
  pointless: ({ idleMs }) => (idleMs === 0 ? '--idle 90 tries it, and takes so long' : null),
  untimed: true,
  tried: ({ idleMs }) => (idleMs === 0 ? 'a silent stream' : `a stream, silent for ${formatSeconds(idleMs)}`),
  async run(visit) {
    const headers = { ...visit.authorization, 'content-type': 'application/json' }
    const body = JSON.stringify({
      model: `thinwire-demo-silent-${Math.round(visit.idleMs / 1000)}`,
      messages: [{ role: 'user', content: 'Say nothing for a while.' }],
      stream: true,
    })
    const url = buildPathUrl(visit.base, CHAT)
    const answer = await visit.ask('POST', url, headers, body, 1, visit.idleMs + 10_000)
    if (!isAnswer(answer)) return fail(answer.trouble, ...idleAdvice(visit))
    const events = answer.status === 200 ? readEvents(answer) : null
    if (events === null || (events.chunks > 0 && !events.demo)) {
      return warn(
        `${answer.status} of a model that does not take part`,
        'try it with a second Thinwire, without provider keys, behind the same proxy',
      )
    }
    if (events.done && answer.totalMs >= visit.idleMs)
      return pass(`held, ${formatSeconds(answer.totalMs)} in all`)
    return fail(`cut off after ${formatSeconds(answer.totalMs)}`, ...idleAdvice(visit))
  },
}

function idleAdvice(visit: Visit): string[] {
  const lines = {
    nginx: 'nginx: proxy_read_timeout 660s; in the location',
    caddy: 'Caddy: no read_timeout or response_header_timeout in transport http',
    cloudflare: 'Cloudflare: cuts after 100 s of silence; that can be changed on its Enterprise plan alone',
  }
  const { front } = visit
  if (front === 'nginx' || front === 'caddy' || front === 'cloudflare') return [lines[front]]
  return [...Object.values(lines), 'Thinwire: timeouts.idleMs']
}
