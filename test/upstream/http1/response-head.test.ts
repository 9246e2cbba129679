import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { BROKEN, HeadScan, MORE } from '../../../src/upstream/http1/head-scan.js'
import { parseResponseHead } from '../../../src/upstream/http1/response-head.js'
import { randomFrom, SEED } from '../../support/random.js'

const OK = 'HTTP/1.1 200 OK\r\n'

/** Heads that are no HTTP, by the rule that they break. */
const REFUSED: readonly [rule: string, head: string, code: string][] = [
  ['RFC 9112, 4: the version is HTTP and two digits', 'ICY 200 OK\r\n', 'HPE_INVALID_CONSTANT'],
  ['RFC 9112, 4: the name of the protocol is in capitals', 'http/1.1 200 OK\r\n', 'HPE_INVALID_CONSTANT'],
  ['RFC 9112, 2.3: this is HTTP/1', 'HTTP/2.0 200 OK\r\n', 'HPE_INVALID_VERSION'],
  ['RFC 9112, 2.3: a minor version has one digit', 'HTTP/1.10 200 OK\r\n', 'HPE_INVALID_VERSION'],
  ['RFC 9112, 4: one space before the status', 'HTTP/1.1  200 OK\r\n', 'HPE_INVALID_STATUS'],
  ['RFC 9112, 4: no tab before the status', 'HTTP/1.1\t200 OK\r\n', 'HPE_INVALID_VERSION'],
  ['RFC 9110, 15: a status has three digits', 'HTTP/1.1 20 OK\r\n', 'HPE_INVALID_STATUS'],
  ['RFC 9110, 15: and no more', 'HTTP/1.1 2000 OK\r\n', 'HPE_INVALID_STATUS'],
  ['RFC 9112, 4: a space before the reason', 'HTTP/1.1 200OK\r\n', 'HPE_INVALID_STATUS'],
  ['RFC 9112, 2.2: no line ends with LF alone', 'HTTP/1.1 200 OK\nx: a\r\n', 'HPE_CR_EXPECTED'],
  ['RFC 9112, 2.2: no CR within a status line', 'HTTP/1.1 200 O\rK\r\n', 'HPE_LF_EXPECTED'],
  ['RFC 9112, 2.2: no LF within a value', `${OK}x: a\nb: c\r\n`, 'HPE_CR_EXPECTED'],
  ['RFC 9112, 2.2: no CR within a value', `${OK}x: a\rb\r\n`, 'HPE_LF_EXPECTED'],
  ['RFC 9112, 5.1: no space before the colon', `${OK}x : a\r\n`, 'HPE_INVALID_HEADER_TOKEN'],
  ['RFC 9112, 5.1: no tab before the colon', `${OK}x\t: a\r\n`, 'HPE_INVALID_HEADER_TOKEN'],
  ['RFC 9112, 5: a colon', `${OK}x\r\n`, 'HPE_INVALID_HEADER_TOKEN'],
  ['RFC 9110, 5.1: a name', `${OK}: a\r\n`, 'HPE_INVALID_HEADER_TOKEN'],
  ['RFC 9110, 5.1: a name is a token', `${OK}x(y): a\r\n`, 'HPE_INVALID_HEADER_TOKEN'],
  ['RFC 9110, 5.1: a name is ASCII', `${OK}x\xe4: a\r\n`, 'HPE_INVALID_HEADER_TOKEN'],
  ['RFC 9112, 5.2: no folded line', `${OK}x: a\r\n b\r\n`, 'HPE_INVALID_HEADER_TOKEN'],
  ['RFC 9112, 5.2: no folded first line', `${OK} x: a\r\n`, 'HPE_INVALID_HEADER_TOKEN'],
  ['RFC 9110, 5.5: no NUL in a value', `${OK}x: \0\r\n`, 'HPE_INVALID_HEADER_TOKEN'],
  ['RFC 9110, 5.5: no control character in a value', `${OK}x: a\x0bb\r\n`, 'HPE_INVALID_HEADER_TOKEN'],
  ['RFC 9110, 5.5: no DEL in a value', `${OK}x: \x7f\r\n`, 'HPE_INVALID_HEADER_TOKEN'],
  [
    'RFC 9112, 6.3: one length',
    `${OK}content-length: 5\r\ncontent-length: 6\r\n`,
    'HPE_UNEXPECTED_CONTENT_LENGTH',
  ],
  [
    'RFC 9112, 6.3: not the same twice either',
    `${OK}content-length: 5\r\nContent-Length: 5\r\n`,
    'HPE_UNEXPECTED_CONTENT_LENGTH',
  ],
  ['RFC 9112, 6.3: no list of lengths', `${OK}content-length: 5, 5\r\n`, 'HPE_INVALID_CONTENT_LENGTH'],
  ['RFC 9110, 8.6: a length is digits', `${OK}content-length: +5\r\n`, 'HPE_INVALID_CONTENT_LENGTH'],
  ['RFC 9110, 8.6: decimal ones', `${OK}content-length: 0x5\r\n`, 'HPE_INVALID_CONTENT_LENGTH'],
  ['RFC 9110, 8.6: ASCII ones', `${OK}content-length: \xb2\r\n`, 'HPE_INVALID_CONTENT_LENGTH'],
  ['RFC 9110, 8.6: at least one', `${OK}content-length: \r\n`, 'HPE_INVALID_CONTENT_LENGTH'],
  [
    'RFC 9110, 8.6: as many as can be counted',
    `${OK}content-length: 99999999999999999999\r\n`,
    'HPE_INVALID_CONTENT_LENGTH',
  ],
  [
    'RFC 9112, 6.1: chunks, or a length',
    `${OK}content-length: 5\r\ntransfer-encoding: chunked\r\n`,
    'HPE_INVALID_TRANSFER_ENCODING',
  ],
  [
    'RFC 9112, 6.1: in whatever order',
    `${OK}transfer-encoding: chunked\r\ncontent-length: 5\r\n`,
    'HPE_UNEXPECTED_CONTENT_LENGTH',
  ],
  [
    'RFC 9112, 6.1: also with another coding',
    `${OK}content-length: 5\r\ntransfer-encoding: identity\r\n`,
    'HPE_INVALID_TRANSFER_ENCODING',
  ],
  [
    'RFC 9110, 5.6.1: no empty coding',
    `${OK}transfer-encoding: chunked,\r\n`,
    'HPE_INVALID_TRANSFER_ENCODING',
  ],
  [
    'RFC 9110, 5.6.1: not in a line of its own',
    `${OK}transfer-encoding: chunked\r\ntransfer-encoding:\r\n`,
    'HPE_INVALID_TRANSFER_ENCODING',
  ],
]

const refused = suite('heads that are refused')
for (const [rule, head, code] of REFUSED) refused(rule, () => assert.is(parseResponseHead(head), code))
refused.run()

/** How a body ends and whether the connection stays, by the fields of a head. */
const FRAMED: readonly [rule: string, head: string, framing: string, keepsAlive: boolean][] = [
  ['RFC 9112, 6.3: a length', `${OK}content-length: 5\r\n`, 'length 5', true],
  ['RFC 9110, 8.6: zeros in front', `${OK}content-length: 005\r\n`, 'length 5', true],
  ['RFC 9110, 5.5: blanks around it', `${OK}content-length: \t5 \t\r\n`, 'length 5', true],
  ['RFC 9112, 6.3: chunks', `${OK}transfer-encoding: chunked\r\n`, 'chunked', true],
  ['RFC 9112, 7: in any case', `${OK}TRANSFER-ENCODING:Chunked\r\n`, 'chunked', true],
  ['RFC 9112, 6.1: chunks of something', `${OK}transfer-encoding: gzip, chunked\r\n`, 'chunked', true],
  [
    'RFC 9112, 6.1: in two lines',
    `${OK}transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n`,
    'chunked',
    true,
  ],
  ['RFC 9112, 6.3: chunks that are not last', `${OK}transfer-encoding: chunked, gzip\r\n`, 'close', false],
  ['RFC 9112, 6.3: no chunks', `${OK}transfer-encoding: xchunked\r\n`, 'close', false],
  ['RFC 9112, 7: a coding is a token', `${OK}transfer-encoding: x chunked\r\n`, 'close', false],
  ['RFC 9112, 6.3: neither', OK, 'close', false],
  ['RFC 9112, 9.3: close', `${OK}content-length: 5\r\nconnection: close\r\n`, 'length 5', false],
  ['RFC 9110, 7.6.1: in a list', `${OK}content-length: 5\r\nconnection: x ,CLOSE\r\n`, 'length 5', false],
  [
    'RFC 9110, 7.6.1: in two lines',
    `${OK}content-length: 5\r\nconnection: close\r\nconnection: keep-alive\r\n`,
    'length 5',
    false,
  ],
  ['RFC 9110, 7.6.1: as a whole word', `${OK}content-length: 5\r\nconnection: closed\r\n`, 'length 5', true],
  ['RFC 9112, 9.3: HTTP/1.0', 'HTTP/1.0 200 OK\r\ncontent-length: 5\r\n', 'length 5', false],
  [
    'RFC 9112, 9.3: that stays',
    'HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\ncontent-length: 5\r\n',
    'length 5',
    true,
  ],
  [
    'RFC 9112, 6.1: with chunks',
    'HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ntransfer-encoding: chunked\r\n',
    'chunked',
    false,
  ],
  ['RFC 9112, 6.3: 204', 'HTTP/1.1 204 No Content\r\n', 'close', true],
  ['RFC 9110, 8.6: 204 with a length', 'HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n', 'length 5', false],
  ['RFC 9110, 8.6: 204 with none', 'HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n', 'length 0', true],
  [
    'RFC 9112, 6.1: 204 in chunks',
    'HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n',
    'chunked',
    false,
  ],
  ['RFC 9110, 15.4.5: 304', 'HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n', 'length 5', true],
  ['RFC 9112, 4: no reason', 'HTTP/1.1 200\r\ncontent-length: 0\r\n', 'length 0', true],
  ['RFC 9112, 4: an empty reason', 'HTTP/1.1 200 \r\ncontent-length: 0\r\n', 'length 0', true],
]

const framed = suite('where a body ends')
for (const [rule, head, framing, keepsAlive] of FRAMED)
  framed(rule, () => {
    const parsed = parseResponseHead(head)
    if (typeof parsed === 'string') assert.unreachable(parsed)
    else {
      const found = parsed.framing === 'length' ? `length ${parsed.length}` : parsed.framing
      assert.equal([found, parsed.keepsAlive], [framing, keepsAlive])
    }
  })
framed.run()

const scanned = suite('a head that comes byte by byte')

for (const [rule, head, code] of REFUSED)
  scanned(`is refused at its first wrong byte: ${rule}`, () => {
    const found = scanEach(`${head}\r\n`)
    // What a head says is known at its end.
    if (/LENGTH|ENCODING/.test(code)) assert.is(found, head.length + 2)
    else if (code === 'HPE_LF_EXPECTED' || code === 'HPE_CR_EXPECTED') assert.is(found, code)
    else assert.match(String(found), /^HPE_INVALID_/)
  })

for (const [rule, head] of FRAMED)
  scanned(`ends where it ends: ${rule}`, () => assert.is(scanEach(`${head}\r\nHTTP/1.1 `), head.length + 2))

scanned('is as long as in one piece, wherever it is cut, and right where the whole is right', () => {
  const random = randomFrom(SEED)
  const parts = [
    '\r',
    '\n',
    '\r\n',
    ':',
    ' ',
    'x',
    '\0',
    '\xff',
    '\t',
    'HTTP/1.1 200',
    '200',
    'a: b\r\n',
    '\r\n\r\n',
  ]
  for (let i = 0; i < 20_000; i++) {
    let text = random() < 0.8 ? OK : ''
    for (let n = random() * 6; n > 0; n--) text += parts[Math.floor(random() * parts.length)]
    const inOne = scan(text, [text.length])
    assert.is(scanEach(text), inOne, JSON.stringify(text))
    const end = text.indexOf('\r\n\r\n')
    const isRight = end !== -1 && typeof parseResponseHead(text.slice(0, end + 2)) !== 'string'
    if (isRight) assert.is(inOne, end + 4, JSON.stringify(text))
    else
      assert.type(
        inOne === 'more' || /LENGTH|ENCODING/.test(String(inOne)) ? '' : inOne,
        'string',
        JSON.stringify(text),
      )
  }
})

scanned('is looked at once, and not again from its beginning at each byte', () => {
  const text = `${OK}x: ${'a'.repeat(1_000_000)}\r\n\r\n`
  // At a second look at all of it, this would take hours.
  assert.is(scanEach(text), text.length)
})

scanned.run()

function scanEach(text: string): number | string {
  return scan(
    text,
    Array.from({ length: text.length }, (_, i) => i + 1),
  )
}

/** @returns where the head ends, or why it is none, or `more` */
function scan(text: string, ends: readonly number[]): number | string {
  const bytes = Buffer.from(text, 'latin1')
  const scan = new HeadScan(false)
  let from = 0
  for (const end of ends) {
    const found = scan.read(bytes.subarray(from, end), 0)
    if (found === BROKEN) return scan.fault
    if (found !== MORE) return from + found
    from = end
  }
  return 'more'
}
