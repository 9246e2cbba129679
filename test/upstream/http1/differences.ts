import { MAX_HEAD, type Outcome } from './one-response.js'
import type { Case } from './wires.js'

/** What a case is on both clients, the own one first. */
export interface Both {
  readonly given: Case
  readonly own: Outcome
  readonly undici: Outcome
}

/**
 * A difference between the clients that is meant. `stricter`: the own client ends a response with an error, or closes a
 * connection, where undici's goes on. `right`: it passes what undici refuses, and HTTP says that it has to.
 */
export interface Difference {
  readonly name: string
  readonly kind: 'stricter' | 'right'
  holds(both: Both): boolean
  /** A response that shows it. */
  readonly example: Partial<Case> & { readonly text: string }
}

const HELLO = 'content-length: 5\r\n\r\nhello'
const CHUNKS = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n'

export const DIFFERENCES: readonly Difference[] = [
  {
    // There are no connections of HTTP/0.9 or 2.0 that begin so (RFC 9112, 2.3).
    name: 'the version is neither 1.0 nor 1.1',
    kind: 'stricter',
    holds: ({ own, given }) => own.end === 'HPE_INVALID_VERSION' && /HTTP\/(?:0\.9|2\.0) /.test(given.text),
    example: { text: `HTTP/2.0 200 OK\r\n${HELLO}` },
  },
  {
    // The tap drops 100 Continue before undici reads it.
    name: 'the head of an interim response is no HTTP',
    kind: 'stricter',
    holds: ({ own, given }) =>
      own.end.startsWith('HPE_') && /^(?:.*\r\n\r\n)?HTTP\/1\.[01] 100/s.test(given.text),
    example: { text: `HTTP/1.1 100 OK\r\nx : a\r\n\r\nHTTP/1.1 200 OK\r\n${HELLO}` },
  },
  {
    // RFC 9112, 2.2: a CR alone is invalid. llhttp skips one behind the reason.
    name: 'a CR behind the reason has no LF',
    kind: 'stricter',
    holds: ({ own, given }) =>
      own.end === 'HPE_LF_EXPECTED' && /HTTP\/1\.[01] \d{3}[^\r\n]*\r[^\n]/.test(given.text),
    example: { text: `HTTP/1.1 200 OK\r\r${HELLO}` },
  },
  {
    // RFC 9112, 2.2 lets a server ignore such a line, and says nothing of clients.
    name: 'there is an empty line before the head',
    kind: 'stricter',
    holds: ({ own, given }) =>
      own.end === 'HPE_INVALID_CONSTANT' && /^(?:HTTP\/1.*\r\n\r\n)?[\r\n]/s.test(given.text),
    example: { text: `\r\nHTTP/1.1 200 OK\r\n${HELLO}` },
  },
  {
    // RFC 9110, 6.5.1: a trailer must not say where the body ends, which it has done.
    name: 'a trailer frames the body',
    kind: 'stricter',
    holds: ({ own, given }) =>
      own.end === 'HPE_INVALID_HEADER_TOKEN' &&
      /\n0+(?:;[^\n]*)?\r\n(?:.*\r\n)?(?:transfer-encoding|content-length):/is.test(given.text),
    example: { text: `${CHUNKS}0\r\ntransfer-encoding: chunked\r\n\r\n` },
  },
  {
    // They cannot be counted exactly, and no response is as long.
    name: 'a length or the size of a chunk is above 2^53',
    kind: 'stricter',
    holds: ({ own, given }) =>
      (own.end === 'HPE_INVALID_CONTENT_LENGTH' && /\d{16}/.test(given.text)) ||
      (own.end === 'HPE_INVALID_CHUNK_SIZE' && /[0-9a-f]{14}/i.test(given.text)),
    example: { text: 'HTTP/1.1 200 OK\r\ncontent-length: 9007199254740993\r\n\r\n', method: 'HEAD' },
  },
  {
    // RFC 9110, 5.6.1 lets nobody send it. Some readers see chunks in `chunked,`, and others none.
    name: 'a transfer coding is empty',
    kind: 'stricter',
    holds: ({ own, given }) =>
      (own.end === 'HPE_INVALID_TRANSFER_ENCODING' || own.end === 'HPE_UNEXPECTED_CONTENT_LENGTH') &&
      /transfer-encoding:[\t ]*(?:[^\r]*,[\t ]*)?[,\r]/i.test(given.text),
    example: { text: 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked,\r\n\r\nhello' },
  },
  {
    // undici counts names and values alone.
    name: 'a head is too long with its line ends, its blanks and its reason',
    kind: 'stricter',
    holds: ({ own, given }) => own.end === 'UND_ERR_HEADERS_OVERFLOW' && given.text.length > MAX_HEAD,
    example: { text: `HTTP/1.1 200 ${'a'.repeat(MAX_HEAD)}\r\n${HELLO}` },
  },
  {
    // Nobody reads an extension. undici's parser takes any number of bytes for one.
    name: 'a size line is longer than 4 KiB',
    kind: 'stricter',
    holds: ({ own, given }) => /HPE_(?:STRICT|INVALID_CHUNK_SIZE)/.test(own.end) && given.text.length > 4_096,
    example: { text: `${CHUNKS}0;${'a'.repeat(5_000)}\r\n\r\n` },
  },
  {
    // RFC 9110, 5.5: tabs around a value do not belong to it.
    name: 'a `close` with a tab behind it is a `close`',
    kind: 'stricter',
    holds: ({ own, undici, given }) => undici.isKept && !own.isKept && /close[^\r]*\t/i.test(given.text),
    example: { text: `HTTP/1.1 200 OK\r\nconnection: close\t\r\n${HELLO}`, closes: 'stays' },
  },
  {
    // Whoever writes a length may write the body, too, a moment later.
    name: 'a 204 that frames a body, and chunks of HTTP/1.0, end the connection',
    kind: 'stricter',
    holds: ({ own, undici, given }) =>
      undici.isKept && !own.isKept && /HTTP\/1\.1 204|HTTP\/1\.0/.test(given.text),
    example: { text: 'HTTP/1.1 204 OK\r\ntransfer-encoding: chunked\r\n\r\n', closes: 'stays' },
  },
  {
    // A server that does not know that there is no body may send one.
    name: 'a response to HEAD without a length ends the connection',
    kind: 'stricter',
    holds: ({ own, undici, given }) =>
      given.method === 'HEAD' &&
      undici.isKept &&
      !own.isKept &&
      !/content-length|transfer-encoding/i.test(given.text),
    example: { text: 'HTTP/1.1 200 OK\r\nconnection: keep-alive\r\n\r\n', method: 'HEAD', closes: 'stays' },
  },
  {
    // Nobody has asked for it. What follows could be taken for the next response.
    name: 'line ends behind a response end the connection',
    kind: 'stricter',
    holds: ({ own, undici, given }) =>
      own.end === 'complete' && undici.isKept && !own.isKept && /[\r\n]$/.test(given.text),
    example: { text: `HTTP/1.1 200 OK\r\n${HELLO}\r\n`, closes: 'stays' },
  },
  {
    // Both wait in vain: a reader that stops at once needs no timeout.
    name: 'what has come is no HTTP already, and undici waits for more of it',
    kind: 'stricter',
    holds: ({ own, undici }) => undici.end === 'open' && own.end.startsWith('HPE_'),
    example: { text: 'HTTP/5.', closes: 'stays' },
  },
  {
    // RFC 9112, 6.3: they end with the head, whatever it says; and in a 304, the length is right (RFC 9110, 8.6).
    name: 'a 204 or 304 with a length is complete',
    kind: 'right',
    holds: ({ own, undici, given }) =>
      own.end === 'complete' &&
      own.body.length === 0 &&
      undici.end === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH' &&
      /HTTP\/1\.[01] (?:204|304)/.test(given.text),
    example: { text: 'HTTP/1.1 304 OK\r\ncontent-length: 5\r\n\r\n' },
  },
  {
    // RFC 9110, 5.5: tabs around a value do not belong to it. undici hands on the chunks as they are framed.
    name: 'a `chunked` with a tab behind it is `chunked`',
    kind: 'right',
    holds: ({ own, undici, given }) =>
      (isFailure(own.end) ||
        (own.end === 'complete' && own.body.length < undici.body.length) ||
        own.end === 'open') &&
      /transfer-encoding:[^\r]*chunked *\t/i.test(given.text),
    example: { text: CHUNKS.replace('chunked', 'chunked\t').concat('0\r\n\r\n') },
  },
  {
    // They are dropped, and have a bound of their own.
    name: 'trailers are longer than a head may be',
    kind: 'right',
    holds: ({ undici, given }) => undici.end === 'UND_ERR_HEADERS_OVERFLOW' && given.text.length > MAX_HEAD,
    example: { text: `${CHUNKS}0\r\nx: ${'a'.repeat(MAX_HEAD)}\r\n\r\n` },
  },
  {
    // RFC 9110, 5.5, again.
    name: 'a length with a tab behind it is a length',
    kind: 'right',
    holds: ({ undici, given }) => isFailure(undici.end) && /content-length:[\t ]*\d+ *\t/i.test(given.text),
    example: { text: `HTTP/1.1 200 OK\r\n${HELLO.replace('5', '5\t')}` },
  },
  {
    // A head is parsed when all of it is there. Until then, only its form is known.
    name: 'a head that contradicts itself is refused at its end',
    kind: 'right',
    holds: ({ own, undici }) => own.end === 'open' && own.status === null && isFailure(undici.end),
    example: { text: 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n', closes: 'stays' },
  },
  {
    // So is the line of a chunk, and nothing of the chunk is passed on before.
    name: 'an extension of a chunk that breaks the grammar is refused at the end of its line',
    kind: 'right',
    holds: ({ own, undici, given }) =>
      own.end === 'open' && isFailure(undici.end) && /\n[0-9a-f]+[ \t]*;[^\r\n]*$/i.test(given.text),
    example: { text: `${CHUNKS}5;a =`, closes: 'stays' },
  },
]

export function isFailure(end: string): boolean {
  return end !== 'complete' && end !== 'open'
}

/** @returns null if the clients agree; the name of a difference; or `unknown: ` and what it is */
export function judge(both: Both): string | null {
  const found = findDifference(both)
  if (found === null) return null
  return DIFFERENCES.find(({ holds }) => holds(both))?.name ?? `unknown: ${found}`
}

function findDifference({ own, undici }: Both): string | null {
  const ends = `${own.end} in place of ${undici.end}`
  if (isFailure(own.end) && isFailure(undici.end))
    return startsAlike(own.body, undici.body) ? null : 'the bodies begin in different ways'
  if (own.end !== undici.end) return ends
  if (own.isKept !== undici.isKept) return own.isKept ? 'kept' : 'not kept'
  if (own.status !== undici.status) return 'another status'
  if (own.reason !== undici.reason) return 'another reason'
  if (!haveSameHeaders(own.headers, undici.headers)) return 'other headers'
  if (!own.body.equals(undici.body)) return 'another body'
  return null
}

function startsAlike(a: Buffer, b: Buffer): boolean {
  const length = Math.min(a.length, b.length)
  return a.subarray(0, length).equals(b.subarray(0, length))
}

/** Blanks behind a value are no part of it (RFC 9110, 5.5). undici leaves them there. */
function haveSameHeaders(own: readonly string[], undici: readonly string[]): boolean {
  return own.length === undici.length && own.every((text, i) => text === undici[i]?.replace(/[\t ]+$/, ''))
}
