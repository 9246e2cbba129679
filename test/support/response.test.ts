import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseResponse, parseResponses } from './client.js'

const whole = (text: string): Buffer => Buffer.from(text, 'latin1')

test('a head is read with its case, order, duplicates and bytes', () => {
  const response = parseResponse(
    whole(
      'HTTP/1.1 429 Too Many, caf\u00e9\r\nX-A: 1\r\nx-a:2\t \r\nX-Empty:\r\ncontent-length: 2\r\n\r\nokrest',
    ),
  )
  assert.is(response?.status, 429)
  assert.is(response?.reason, 'Too Many, caf\u00e9')
  assert.equal(response?.headers, [
    ['X-A', '1'],
    ['x-a', '2'],
    ['X-Empty', ''],
    ['content-length', '2'],
  ])
  assert.is(response?.header('X-a'), '1')
  assert.is(response?.header('x-b'), undefined)
  assert.is(response?.body.toString(), 'ok')
  assert.is(response?.complete, true)
  assert.is(response?.rest.toString(), 'rest')
})

test('interim responses are listed with the one that they come before', () => {
  const bytes = whole(
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n' +
      'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n',
  )
  const responses = parseResponses(bytes, false)
  assert.equal(
    responses.map(({ status, interim }) => [status, interim]),
    [
      [200, [100, 103]],
      [204, []],
    ],
  )
  assert.is(parseResponse(bytes.subarray(0, 40)), null)
})

test('a prefix is never complete and never has other bytes, wherever it is cut', () => {
  for (const framed of [
    'content-length: 11\r\n\r\nhello world',
    'transfer-encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nx-sum: 11\r\n\r\n',
  ]) {
    const bytes = whole(`HTTP/1.1 200 OK\r\n${framed}`)
    for (let at = 0; at < bytes.length; at++) {
      const response = parseResponse(bytes.subarray(0, at), true)
      assert.is.not(response?.complete, true, `after ${at} bytes`)
      if (response !== null) assert.ok('hello world'.startsWith(response.body.toString()))
    }
    const response = parseResponse(bytes)
    assert.is(response?.complete, true)
    assert.is(response?.body.toString(), 'hello world')
    assert.is(response?.rest.length, 0)
  }
})

test('trailers are read, and what is behind them is left', () => {
  const response = parseResponse(
    whole('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nX-Sum: 7\r\nx-b: 8\r\n\r\nmore'),
  )
  assert.equal(response?.trailers, [
    ['X-Sum', '7'],
    ['x-b', '8'],
  ])
  assert.is(response?.rest.toString(), 'more')
})

test('a body without a framing is complete when its connection has ended', () => {
  const bytes = whole('HTTP/1.1 200 OK\r\n\r\nabc')
  assert.is(parseResponse(bytes)?.complete, false)
  assert.is(parseResponse(bytes, true)?.complete, true)
  assert.is(parseResponse(bytes, true)?.body.toString(), 'abc')
})

test('an answer that has no body has none, whatever length it names', () => {
  for (const [status, method] of [
    ['200 OK', 'HEAD'],
    ['304 Not Modified', 'GET'],
    ['204 No Content', 'GET'],
  ]) {
    const response = parseResponse(
      whole(`HTTP/1.1 ${status}\r\ncontent-length: 9\r\n\r\nrest`),
      false,
      method,
    )
    assert.is(response?.complete, true)
    assert.is(response?.body.length, 0)
    assert.is(response?.rest.toString(), 'rest')
  }
})

test('what follows a 101 is not read as a response', () => {
  const [response, ...others] = parseResponses(
    whole('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n\x81\x00\r\n\r\n'),
    false,
  )
  assert.is(response?.status, 101)
  assert.is(response?.rest.length, 6)
  assert.is(others.length, 0)
})

const BROKEN: ReadonlyArray<readonly [string, string]> = [
  ['not a response', 'HTTP/2 200 OK\r\n\r\n'],
  ['not a response', 'HTTP/1.1 20 OK\r\n\r\n'],
  ['not a header', 'HTTP/1.1 200 OK\r\nx : 1\r\n\r\n'],
  ['not a header', 'HTTP/1.1 200 OK\r\nx: 1\r\n folded\r\n\r\n'],
  ['not a header', 'HTTP/1.1 200 OK\r\nx: 1\nset-cookie: 2\r\n\r\n'],
  ['not a content-length', 'HTTP/1.1 200 OK\r\ncontent-length: 0x1\r\n\r\n'],
  ['more than one content-length', 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\nContent-Length: 0\r\n\r\n'],
  ['both', 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['size of a chunk', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n'],
  ['size of a chunk', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-1\r\n'],
  ['size of a chunk', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\r\n'],
  ['end of a chunk', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nabc'],
  ['end of a chunk', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\rx'],
]

for (const [message, text] of BROKEN) {
  test(`an answer that is broken is refused: ${JSON.stringify(text.slice(9, 90))}`, () => {
    assert.throws(() => parseResponse(whole(text)), new RegExp(message))
  })
}

test.run()
