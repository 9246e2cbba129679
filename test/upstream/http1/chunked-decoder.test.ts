import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ChunkedDecoder } from '../../../src/upstream/http1/chunked-decoder.js'

/** Bodies, and what is read of them: the data, then where the body ends or why it is none. */
const BODIES: readonly [rule: string, body: string, data: string, end: number | string][] = [
  ['RFC 9112, 7.1: no data', '0\r\n\r\n', '', 5],
  ['RFC 9112, 7.1: chunks', '5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n', 'hello!', 21],
  [
    'RFC 9112, 7.1: sizes in hexadecimal',
    'A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n',
    '01234567890123456789',
    35,
  ],
  ['RFC 9112, 7.1: zeros in front', '0005\r\nhello\r\n000\r\n\r\n', 'hello', 20],
  ['RFC 9112, 7.1: what follows is not read', '1\r\na\r\n0\r\n\r\nHTTP/1.1 ', 'a', 11],
  ['RFC 9112, 7.1.1: extensions', '1;a;b=c;d="e;\\"f"\r\na\r\n0;x\r\n\r\n', 'a', 29],
  ['RFC 9112, 7.1.2: trailers', '0\r\nx: a\r\ny:\r\n\r\n', '', 15],
  ['RFC 9112, 7.1: no size', '\r\na\r\n', '', 'HPE_INVALID_CHUNK_SIZE'],
  ['RFC 9112, 7.1: no sign', '+1\r\na\r\n', '', 'HPE_INVALID_CHUNK_SIZE'],
  ['RFC 9112, 7.1: no negative size', '-1\r\na\r\n', '', 'HPE_INVALID_CHUNK_SIZE'],
  ['RFC 9112, 7.1: no prefix', '0x1\r\na\r\n', '', 'HPE_INVALID_CHUNK_SIZE'],
  ['RFC 9112, 7.1: no digit above f', '1g\r\na\r\n', '', 'HPE_INVALID_CHUNK_SIZE'],
  ['RFC 9112, 7.1: no space before the size', ' 1\r\na\r\n', '', 'HPE_INVALID_CHUNK_SIZE'],
  ['RFC 9112, 7.1: no space behind it', '1 \r\na\r\n', '', 'HPE_INVALID_CHUNK_SIZE'],
  ['RFC 9112, 7.1: a size that overflows', 'ffffffffffffffff\r\n', '', 'HPE_INVALID_CHUNK_SIZE'],
  [
    'RFC 9112, 7.1: a size that wraps around',
    '10000000000000001\r\na\r\n0\r\n\r\n',
    '',
    'HPE_INVALID_CHUNK_SIZE',
  ],
  ['RFC 9112, 2.2: a size line that ends with LF', '1\na\r\n', '', 'HPE_CR_EXPECTED'],
  ['RFC 9112, 2.2: a size line that ends with CR', '1\ra\r\n', '', 'HPE_LF_EXPECTED'],
  ['RFC 9112, 7.1: data that is longer than its size', '1\r\nab\r\n', 'a', 'HPE_STRICT'],
  ['RFC 9112, 7.1: data that ends with LF', '1\r\na\n', 'a', 'HPE_STRICT'],
  ['RFC 9112, 7.1: data that ends with CR', '1\r\na\r0\r\n', 'a', 'HPE_STRICT'],
  ['RFC 9112, 7.1.1: an extension without a name', '1;\r\na\r\n', '', 'HPE_STRICT'],
  ['RFC 9112, 7.1.1: an extension without an end', '1;a="b\r\na\r\n', '', 'HPE_STRICT'],
  ['RFC 9112, 7.1.1: an extension with LF', '1;a\n1\r\na\r\n', '', 'HPE_STRICT'],
  ['RFC 9112, 7.1.1: an extension with a control character', '1;a="\0"\r\na\r\n', '', 'HPE_STRICT'],
  ['RFC 9112, 7.1.1: an extension that is too long', `1;${'a'.repeat(5_000)}\r\na\r\n`, '', 'HPE_STRICT'],
  ['RFC 9112, 7.1.2: a trailer without a name', '0\r\n: a\r\n\r\n', '', 'HPE_INVALID_HEADER_TOKEN'],
  ['RFC 9112, 7.1.2: a folded trailer', '0\r\nx: a\r\n b\r\n\r\n', '', 'HPE_INVALID_HEADER_TOKEN'],
  ['RFC 9112, 2.2: a trailer that ends with LF', '0\r\nx: a\n\r\n', '', 'HPE_CR_EXPECTED'],
  ['RFC 9112, 2.2: an end that is LF', '0\r\n\n', '', 'HPE_CR_EXPECTED'],
  ['RFC 9112, 2.2: an end that is CR', '0\r\n\rx', '', 'HPE_LF_EXPECTED'],
  [
    'RFC 9110, 6.5.1: a length in a trailer',
    '0\r\nContent-Length: 5\r\n\r\n',
    '',
    'HPE_INVALID_HEADER_TOKEN',
  ],
  [
    'RFC 9110, 6.5.1: a coding in a trailer',
    '0\r\nx: a\r\ntransfer-encoding: chunked\r\n\r\n',
    '',
    'HPE_INVALID_HEADER_TOKEN',
  ],
  [
    'trailers that are too long',
    `0\r\n${`x: ${'a'.repeat(1_000)}\r\n`.repeat(70)}\r\n`,
    '',
    'UND_ERR_HEADERS_OVERFLOW',
  ],
  ['a size that never ends', '0'.repeat(5_000), '', 'HPE_INVALID_CHUNK_SIZE'],
  ['a body that goes on', '5\r\nhell', 'hell', 'more'],
]

const test = suite('chunks')

for (const [rule, body, data, end] of BODIES)
  test(`${rule}, wherever reads end`, () => {
    const { length } = body
    assert.equal(decode(body, [length]), [data, end])
    assert.equal(decode(body, eachOf(length)), [data, end])
    for (let at = 1; at < Math.min(length, 100); at++) assert.equal(decode(body, [at, length]), [data, end])
  })

test('long extensions and trailers that come byte by byte are not read again at each byte', () => {
  const extended = `1;${'a'.repeat(4_000)}\r\na\r\n`.repeat(50)
  const body = `${extended}0\r\nx: ${'a'.repeat(65_000)}\r\n\r\n`
  assert.equal(decode(body, eachOf(body.length)), ['a'.repeat(50), body.length])
})

test.run()

function eachOf(length: number): number[] {
  return Array.from({ length }, (_, i) => i + 1)
}

function decode(body: string, ends: readonly number[]): [string, number | string] {
  const bytes = Buffer.from(body, 'latin1')
  const decoder = new ChunkedDecoder()
  let data = ''
  let from = 0
  for (const end of ends) {
    const piece = bytes.subarray(from, end)
    for (let at = 0, more = true; more; ) {
      const event = decoder.next(piece, at)
      if (event === 'broken') return [data, decoder.fault]
      if (event === 'end') return [data, from + decoder.end]
      if (event === 'data') data += piece.toString('latin1', decoder.start, decoder.end)
      at = decoder.end
      more = event === 'data'
    }
    from = end
  }
  return [data, 'more']
}
