import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { writeRequestHead } from '../../../src/upstream/http1/request-head.js'

const HOST = 'upstream.test:8080'

function write(headers: string[], method = 'POST', path = '/', keepsHead = true) {
  return writeRequestHead(method, path, headers, HOST, keepsHead)
}

const written = suite('the head of a request')

written('has the host and the connection first, and the fields as they came', () => {
  const head = write(['X-A', 'b', 'x-a', '\xe4', 'y', ''], 'POST', '/v1/x?a=%20&b=\xe4')
  assert.is(
    head.text,
    `POST /v1/x?a=%20&b=\xe4 HTTP/1.1\r\nhost: ${HOST}\r\nconnection: keep-alive\r\nX-A: b\r\nx-a: \xe4\r\ny: \r\n`,
  )
  assert.equal([head.length, head.host, head.closes], [-1, null, false])
})

written('may name another host (RFC 9112, 3.2)', () => {
  const head = write(['Host', 'other.test'])
  assert.is(head.text, 'POST / HTTP/1.1\r\nhost: other.test\r\nconnection: keep-alive\r\n')
  assert.is(head.host, 'other.test')
})

written('leaves its length to the writer of the body (RFC 9112, 6.2)', () => {
  const head = write(['Content-Length', '05', 'a', 'b'])
  assert.is(head.length, 5)
  assert.not.match(head.text, /length/i)
})

written('closes the connection if the fields say so (RFC 9112, 9.6)', () => {
  for (const value of ['close', 'Close', 'x, close', 'close , x']) {
    const { text, closes } = write(['connection', value])
    assert.ok(closes)
    assert.match(text, /\r\nconnection: close\r\n/)
  }
  for (const value of ['keep-alive', 'x', 'closed']) assert.not(write(['connection', value]).closes)
})

written('closes the connection after HEAD, unless it need not', () => {
  assert.ok(write([], 'HEAD', '/', false).closes)
  assert.not(write([], 'HEAD', '/', true).closes)
})

written('may have fields that JavaScript knows as something else', () => {
  for (const name of ['constructor', '__proto__', 'toString', 'valueof'])
    assert.match(write([name, 'a']).text, `\r\n${name}: a\r\n`)
})

written.run()

/** What must not be written, by the rule that it would break. */
const REFUSED: readonly [rule: string, headers: string[], method?: string, path?: string][] = [
  ['RFC 9110, 9.1: a method is a token', [], 'GET /x HTTP/1.1\r\nx:'],
  ['RFC 9110, 9.1: a method has a letter', [], ''],
  ['RFC 9112, 3.2: a path begins with a slash', [], 'GET', 'x'],
  ['RFC 9112, 3.2: a path is no URL', [], 'GET', 'http://other.test/'],
  ['RFC 9112, 3.2: a path has no space', [], 'GET', '/a b'],
  ['RFC 9112, 3.2: a path has no line end', [], 'GET', '/\r\nx: y'],
  ['RFC 9112, 3.2: a path has no NUL', [], 'GET', '/\0'],
  ['RFC 9112, 3.2: a path is bytes', [], 'GET', '/\u010d\u010a'],
  ['RFC 9110, 5.5: a value has no CR', ['x', 'a\rb']],
  ['RFC 9110, 5.5: a value has no LF', ['x', 'a\nb']],
  ['RFC 9110, 5.5: a value has no NUL', ['x', 'a\0b']],
  ['RFC 9110, 5.5: a value is bytes', ['x', '\u010d\u010a']],
  ['RFC 9110, 5.1: a name is a token', ['x y', 'a']],
  ['RFC 9110, 5.1: a name has no colon', ['x:', 'a']],
  ['RFC 9110, 5.1: a name has no line end', ['x\r\ny', 'a']],
  ['RFC 9110, 5.1: a name has a letter', ['', 'a']],
  ['RFC 9112, 3.2: one host', ['host', 'a', 'Host', 'a']],
  ['RFC 9112, 3.2: a host has no line end', ['host', 'a\r\nx: y']],
  ['RFC 9110, 8.6: one length', ['content-length', '5', 'Content-Length', '5']],
  ['RFC 9110, 8.6: a length is digits', ['content-length', '+5']],
  ['RFC 9110, 8.6: no list of lengths', ['content-length', '5, 5']],
  ['RFC 9110, 8.6: a length can be counted', ['content-length', '9007199254740993']],
  ['RFC 9110, 8.6: a length is not empty', ['content-length', '']],
  ['RFC 9112, 6.1: the relay frames the body', ['Transfer-Encoding', 'chunked']],
  ['RFC 9110, 7.6.1: a connection option is a token', ['connection', 'a b']],
  ['RFC 9110, 7.6.1: and not empty', ['connection', 'close,']],
  ['RFC 9110, 7.8: no other protocol', ['Upgrade', 'websocket']],
  ['RFC 9110, 7.6.1: no hints', ['keep-alive', 'timeout=5']],
  ['RFC 9110, 10.1.1: nothing is expected', ['Expect', '100-continue']],
]

const refused = suite('a request that cannot be written')
for (const [rule, headers, method = 'POST', path = '/'] of REFUSED)
  for (const known of [false, true])
    refused(`${rule}${known ? ', also the second time' : ''}`, () => {
      try {
        write(headers, method, path)
      } catch (error) {
        assert.match((error as NodeJS.ErrnoException).code ?? '', /^UND_ERR_(?:INVALID_ARG|NOT_SUPPORTED)$/)
        return
      }
      assert.unreachable('it was written')
    })
refused.run()
