/** The head of a response (RFC 9112, 4 and 5), and what it says about the body and the connection (6.3 and 9.3). */
export interface ParsedHead {
  readonly status: number
  /** Latin-1. */
  readonly reason: string
  /** Name, value, name, value, in Latin-1. */
  readonly headers: string[]
  readonly framing: Framing
  /** Bytes of the body, if its framing is `length`. */
  readonly length: number
  /** The transfer coding is `chunked` alone, in a response of HTTP/1.1. */
  readonly isPlainlyChunked: boolean
  /** The connection may be used again, as far as the head says. */
  readonly keepsAlive: boolean
  /** Milliseconds of `keep-alive: timeout=`; null if there is none. */
  readonly keepAliveMs: number | null
}

/** Where a body ends, if there is one: after a length, after the last chunk, or at the end of the connection. */
export type Framing = 'length' | 'chunked' | 'close'

/** Why a head is no HTTP: one of llhttp's codes, which undici reports too. */
export type HeadFault =
  | 'HPE_INVALID_CONSTANT'
  | 'HPE_INVALID_VERSION'
  | 'HPE_INVALID_STATUS'
  | 'HPE_INVALID_HEADER_TOKEN'
  | 'HPE_INVALID_CONTENT_LENGTH'
  | 'HPE_UNEXPECTED_CONTENT_LENGTH'
  | 'HPE_INVALID_TRANSFER_ENCODING'
  | 'HPE_CR_EXPECTED'
  | 'HPE_LF_EXPECTED'

/**
 * A status line. The reason may be left out, together with the space before it, as many servers do. It may have any
 * characters: no program reads it, and a client gets it without those that it must not have.
 */
const STATUS_LINE = /^HTTP\/1\.([01]) (\d{3})(?: ([^\r\n]*))?$/

/** Lines of fields, each with its end. No space before the colon, no folded lines (RFC 9112, 5.1 and 5.2). */
const FIELD_LINES = /^(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)*$/

/** A `transfer-encoding` whose last coding is chunked. */
const ENDS_CHUNKED = /(?:^|,)[\t ]*chunked$/i

/** A list with an empty item: some readers see chunks in `chunked,`, and others none. */
const EMPTY_ITEM = /(?:^|,)[\t ]*(?:,|$)/

/**
 * Parses the head of a response.
 * @param text the head in Latin-1, without the empty line at its end, but with the end of its last line
 */
export function parseResponseHead(text: string): ParsedHead | HeadFault {
  const lineEnd = text.indexOf('\r\n')
  const line = STATUS_LINE.exec(lineEnd === -1 ? text : text.slice(0, lineEnd))
  if (line === null) return findStatusFault(text)
  const fields = text.slice(lineEnd + 2)
  if (!FIELD_LINES.test(fields)) return findFieldFault(fields)
  const isOld = line[1] === '0'
  const headers: string[] = []
  let length = -1
  let coding: string | null = null
  let closes = false
  let saysKeepAlive = false
  let keepAliveMs: number | null = null
  for (let at = lineEnd + 2; at < text.length; ) {
    const colon = text.indexOf(':', at)
    const end = text.indexOf('\r\n', colon)
    const name = text.slice(at, colon)
    const value = trimValue(text, colon + 1, end)
    headers.push(name, value)
    at = end + 2
    switch (name.length) {
      case 10: {
        const lower = name.toLowerCase()
        if (lower === 'keep-alive') keepAliveMs = readTimeout(value) ?? keepAliveMs
        if (lower !== 'connection') break
        const options = value.toLowerCase()
        closes ||= hasOption(options, 'close')
        saysKeepAlive ||= hasOption(options, 'keep-alive')
        break
      }
      case 14:
        if (name.toLowerCase() !== 'content-length') break
        if (coding !== null || length !== -1) return 'HPE_UNEXPECTED_CONTENT_LENGTH'
        length = readLength(value)
        if (length === -1) return 'HPE_INVALID_CONTENT_LENGTH'
        break
      case 17:
        if (name.toLowerCase() !== 'transfer-encoding') break
        if (length !== -1 || EMPTY_ITEM.test(value)) return 'HPE_INVALID_TRANSFER_ENCODING'
        coding = coding === null ? value : `${coding}, ${value}`
        break
    }
  }
  const isChunked = coding !== null && ENDS_CHUNKED.test(coding)
  const framing = isChunked ? 'chunked' : length !== -1 ? 'length' : 'close'
  const status = Number(line[2])
  // What follows may be a body after all: of a 204 that frames one, or in chunks that HTTP/1.0 does not have (RFC 9112,
  // 6.1), or of a HEAD request whose server does not know that there is none.
  const isExact =
    status < 200 ||
    ((framing !== 'close' || status === 204 || status === 304) &&
      (coding === null || (!isOld && status !== 204)) &&
      (length <= 0 || status !== 204))
  return {
    status,
    reason: line[3] ?? '',
    headers,
    framing,
    length: Math.max(length, 0),
    isPlainlyChunked: isChunked && !isOld && coding?.toLowerCase() === 'chunked',
    keepsAlive: !closes && isExact && (!isOld || saysKeepAlive),
    keepAliveMs,
  }
}

/** Spaces and tabs around a value are not part of it (RFC 9110, 5.5). */
function trimValue(text: string, from: number, to: number): string {
  let start = from
  let end = to
  while (start < end && isBlank(text.charCodeAt(start))) start++
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}

function readLength(value: string): number {
  if (!/^\d+$/.test(value)) return -1
  const length = Number(value)
  return Number.isSafeInteger(length) ? length : -1
}

function readTimeout(value: string): number | null {
  const seconds = /timeout=(\d+)/.exec(value)?.[1]
  return seconds === undefined ? null : Number(seconds) * 1_000
}

function hasOption(value: string, option: string): boolean {
  if (value === option) return true
  return value.includes(option) && value.split(',').some((one) => one.trim() === option)
}

function findStatusFault(text: string): HeadFault {
  const start = 'HTTP/'
  if (!text.startsWith(start.slice(0, text.length))) return 'HPE_INVALID_CONSTANT'
  const [line = ''] = text.split('\r\n')
  if (/\n/.test(line)) return 'HPE_CR_EXPECTED'
  if (!/^HTTP\/1\.[01] /.test(line)) return 'HPE_INVALID_VERSION'
  if (/\r/.test(line)) return 'HPE_LF_EXPECTED'
  return 'HPE_INVALID_STATUS'
}

function findFieldFault(fields: string): HeadFault {
  if (/(?:^|[^\r])\n/.test(fields)) return 'HPE_CR_EXPECTED'
  return /\r(?!\n)/.test(fields) ? 'HPE_LF_EXPECTED' : 'HPE_INVALID_HEADER_TOKEN'
}
