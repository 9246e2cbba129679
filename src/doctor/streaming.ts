import { modelSuffix, refused, slow } from './api.js'
import { CHAT } from './arrival.js'
import { pathUrl } from './base-url.js'
import { chatBody, messagesBody, mixedBody, responsesBody } from './bodies.js'
import { type EventsSeen, readEvents } from './events.js'
import { failed, ok, type Seen, together, warning } from './finding.js'
import { remedy } from './front.js'
import { judgePace } from './pace.js'
import { cleaned } from './quote.js'
import type { Check, Need, Visit } from './visit.js'
import { type Answer, header, isAnswer, seconds } from './wire.js'

const NEEDS: readonly Need[] = ['address', 'connection', 'relay', 'path', 'trust', 'key', 'model']

/** A stream may take so much of the time; then what has come is looked at. */
const SHARE = 0.6

/** Bytes of a lump as nginx makes it: of its buffers nearly 4 KiB, and of what it puts off to fill a segment 1,460. */
const BUFFER = 3_500
const SEGMENT = 1_300

/** What Cursor asks with, by the API that the body is made for. */
const BODIES = [
  { name: 'stream', cursor: false, what: 'streamed, with tools', make: chatBody },
  { name: 'ask mode', cursor: true, what: 'with the tools of two APIs', make: mixedBody },
  { name: 'agent mode', cursor: true, what: 'a body of the Responses API', make: responsesBody },
  { name: 'claude names', cursor: true, what: "a body of Anthropic's API", make: messagesBody },
] as const

/** A chat body goes to any base URL; Cursor's others to the one that is made for them. */
export function streamChecks(visit: Visit): readonly Check[] {
  return visit.cursor ? STREAMS : [...STREAMS.slice(0, 1), NOT_CURSOR]
}

const NOT_CURSOR: Check = {
  name: 'agent mode',
  needs: NEEDS,
  pointless: () => "Cursor's other bodies are for a base URL that ends in /cursor/v1 (--cursor tries them)",
  tried: () => 'bodies of other APIs',
  run: () => ok('not tried'),
}

const STREAMS: readonly Check[] = BODIES.map(({ name, cursor, what, make }) => ({
  name,
  needs: NEEDS,
  tried: (visit) => `POST ${CHAT}, ${what}${cursor ? '' : modelSuffix(visit)}`,
  async run(visit) {
    // Cursor's servers send no Origin.
    const headers = { ...visit.authorization, 'content-type': 'application/json' }
    const body = make(visit.model ?? '')
    const answer = await visit.ask('POST', pathUrl(visit.base, CHAT), headers, body, SHARE)
    if (!isAnswer(answer)) return answer.late ? slow(answer.trouble) : failed(answer.trouble)
    if (answer.status !== 200) return refused(answer, visit)
    const events = readEvents(answer)
    visit.streams.push({ answer, events })
    return judgeStream(answer, events, visit, cursor)
  },
}))

function judgeStream(answer: Answer, events: EventsSeen, visit: Visit, cursor: boolean): Seen {
  const type = header(answer, 'content-type') ?? 'none'
  if (!/^text\/event-stream\b/i.test(type)) {
    return failed(
      `200, but the content-type is ${cleaned(type, visit.key).slice(0, 60)}`,
      'it has to be text/event-stream: proxies, cloudflared among them, hold back anything else',
    )
  }
  const { chunks, done, error, finish, foreign } = events
  const count = `${chunks} chunks in ${seconds(answer.totalMs)}`
  if (error !== null) return failed(`200, then an error: ${cleaned(error, visit.key).slice(0, 240)}`)
  if (foreign !== null) {
    return failed(
      `200, but events that Cursor does not read (${cleaned(foreign, visit.key).slice(0, 60)})`,
      cursor ? 'enter a base URL that ends in /cursor/v1' : 'the answer has to be chat completion chunks',
    )
  }
  if (answer.end === 'cut') return failed(`200, and cut off after ${count}`, "the proxy's log tells by whom")
  if (events.unindexed) {
    return failed(
      `200, ${count}, but tool_calls without index`,
      'Cursor needs tool_calls[].index: ask whoever runs the model',
    )
  }
  if (answer.end === 'late') {
    return chunks > 0
      ? ok(`200, ${count}, and was left then`)
      : slow(`200, but no event in ${seconds(answer.totalMs)}`)
  }
  if (chunks === 0) return failed('200, but without any event')
  if (!done || finish === null) {
    const missing = [...(finish === null ? ['finish_reason'] : []), ...(done ? [] : ['[DONE]'])].join(' and ')
    return warning(
      `200, ${count}, without ${missing}`,
      'some clients take such an answer for one that was cut',
    )
  }
  return ok(`200, ${count}`)
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
    if (worst === undefined) return ok('none came')
    const { answer, events, lumps, pace, spanMs } = worst
    const count = `${events.times.length} events`
    const total = seconds(answer.totalMs)
    if (pace === 'live') return ok(`${count} in ${total}, piece by piece`)
    if (pace === 'brief') {
      return header(answer, 'content-length') === undefined
        ? warning(`${count} in ${total}: too few to tell`, 'try it with a model that says more: --model NAME')
        : heldBack(visit, worst, `${count} with a content-length: gathered first`)
    }
    if (pace === 'held') {
      return heldBack(visit, worst, `${count} of ${total} came within ${seconds(spanMs)}, at the end`)
    }
    const size = events.bytes / lumps
    const seen = `${count} in ${total} came in ${lumps} lumps of ${(size / 1024).toFixed(1)} KB`
    if (events.demo || size >= BUFFER) return heldBack(visit, worst, seen)
    // Some models give a few words at a time.
    return size < SEGMENT
      ? ok(`${count} in ${total}, in ${lumps} pieces`)
      : warning(`${seen}: the model's own, or a proxy's`, ...remedy('held', visit.front))
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
  return failed(`${seen}: ${who}`, ...remedy('held', visit.front))
}

/** Milliseconds from the request's arrival at the relay until it had the head of the answer; Infinity if it does not tell. */
function relayMs(answer: Answer): number {
  const timing = header(answer, 'server-timing') ?? ''
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
    if (answer === undefined) return ok('none came')
    const coding = header(answer, 'content-encoding')
    const chunked = /\bchunked\b/i.test(header(answer, 'transfer-encoding') ?? '')
    const sized = header(answer, 'content-length') !== undefined
    if (answer.version === '1.0') {
      parts.push(
        warning(
          'HTTP/1.0: a connection that breaks looks like the end of the answer',
          ...remedy('http10', visit.front),
        ),
      )
    } else if (!chunked && !sized) {
      parts.push(
        warning(
          'no chunks: a connection that breaks looks like the end of the answer',
          ...remedy('close', visit.front),
        ),
      )
    }
    if (coding !== undefined && coding !== 'identity') {
      parts.push(
        warning(
          `compressed (${cleaned(coding, '').slice(0, 20)}): what compresses may wait until it has enough`,
          ...remedy('compressed', visit.front),
        ),
      )
    }
    return parts.length === 0 ? ok(`HTTP/${answer.version}, chunked, not compressed`) : together(parts)
  },
}

/** A stream that says nothing for as long as was asked for: only the demo upstream can be told to. */
export const IDLE: Check = {
  name: 'idle',
  needs: NEEDS,
  pointless: ({ idleMs }) => (idleMs === 0 ? '--idle 90 tries it, and takes so long' : null),
  untimed: true,
  tried: ({ idleMs }) => (idleMs === 0 ? 'a silent stream' : `a stream, silent for ${seconds(idleMs)}`),
  async run(visit) {
    const headers = { ...visit.authorization, 'content-type': 'application/json' }
    const body = JSON.stringify({
      model: `thinwire-demo-silent-${Math.round(visit.idleMs / 1000)}`,
      messages: [{ role: 'user', content: 'Say nothing for a while.' }],
      stream: true,
    })
    const url = pathUrl(visit.base, CHAT)
    const answer = await visit.ask('POST', url, headers, body, 1, visit.idleMs + 10_000)
    if (!isAnswer(answer)) return failed(answer.trouble, ...idleAdvice(visit))
    const events = answer.status === 200 ? readEvents(answer) : null
    if (events === null || (events.chunks > 0 && !events.demo)) {
      return warning(
        `${answer.status} of a model that does not take part`,
        'try it with a second Thinwire, without provider keys, behind the same proxy',
      )
    }
    if (events.done && answer.totalMs >= visit.idleMs) return ok(`held, ${seconds(answer.totalMs)} in all`)
    return failed(`cut off after ${seconds(answer.totalMs)}`, ...idleAdvice(visit))
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
