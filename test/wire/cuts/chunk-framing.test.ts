import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { withRelay } from '../../support/scene.js'
import { wait } from '../../support/until.js'
import { CHUNKED, head, type Script, SSE } from '../../support/upstream.js'

const LAST = '0\r\n\r\n'

/** Bodies with valid framing (RFC 9112, 7.1), and their text. */
const VALID: ReadonlyArray<readonly [string, string, string]> = [
  ['plain chunks', `5\r\nhello\r\n6\r\n there\r\n${LAST}`, 'hello there'],
  ['a chunk extension', `5;a=b\r\nhello\r\n${LAST}`, 'hello'],
  ['a quoted chunk extension', `5;a="b;c"\r\nhello\r\n${LAST}`, 'hello'],
  ['an extension of the last chunk', '5\r\nhello\r\n0;a=b\r\n\r\n', 'hello'],
  ['leading zeros', `0005\r\nhello\r\n${LAST}`, 'hello'],
  ['zeros for the last chunk', '5\r\nhello\r\n000\r\n\r\n', 'hello'],
  ['trailers', '5\r\nhello\r\n0\r\nx: y\r\n\r\n', 'hello'],
  ['data that looks like the last chunk', `5\r\n0\r\n\r\n\r\n${LAST}`, '0\r\n\r\n'],
]

/** Bodies whose framing is broken, and the text before the fault. Nothing behind that may reach the client. */
const BROKEN: ReadonlyArray<readonly [string, string, string]> = [
  ['data without its line end, before the last chunk', `5\r\nhello${LAST}`, 'hello'],
  ['data without its line end, before another chunk', `5\r\nhello5\r\nworld\r\n${LAST}`, 'hello'],
  ['data that is longer than its size', `5\r\nhello, you\r\n${LAST}`, 'hello'],
  ['data that is shorter than its size', `6\r\nhello\r\n${LAST}`, 'hello\r'],
  ['a bare LF after data', `5\r\nhello\n${LAST}`, 'hello'],
  ['a bare CR after data', `5\r\nhello\r${LAST}`, 'hello'],
  ['a CR of its own before the line end', `5\r\nhello\r\r\n${LAST}`, 'hello'],
  ['an empty line between chunks', `5\r\nhello\r\n\r\n${LAST}`, 'hello'],
  ['a size without digits', `5\r\nhello\r\n\r\nworld\r\n${LAST}`, 'hello'],
  ['a size that is no number', `5\r\nhello\r\nzz\r\nworld\r\n${LAST}`, 'hello'],
  ['a size with 0x', `5\r\nhello\r\n0x5\r\nworld\r\n${LAST}`, 'hello'],
  ['a size with a sign', `5\r\nhello\r\n+5\r\nworld\r\n${LAST}`, 'hello'],
  ['a negative size', `5\r\nhello\r\n-5\r\nworld\r\n${LAST}`, 'hello'],
  ['a size with an underscore', `5\r\nhello\r\n0_5\r\nworld\r\n${LAST}`, 'hello'],
  ['a size beyond 64 bits', `5\r\nhello\r\n10000000000000005\r\nworld\r\n${LAST}`, 'hello'],
  ['a size in front of a space', `5\r\nhello\r\n 5\r\nworld\r\n${LAST}`, 'hello'],
  ['a bare LF after a size', `5\r\nhello\r\n5\nworld\r\n${LAST}`, 'hello'],
  ['a bare CR after a size', `5\r\nhello\r\n5\rworld\r\n${LAST}`, 'hello'],
  ['a control character in an extension', `5\r\nhello\r\n5;a=\x01\r\nworld\r\n${LAST}`, 'hello'],
  ['a bare LF in an extension', `5\r\nhello\r\n5;a\nworld\r\n${LAST}`, 'hello'],
  ['a bare LF after the last chunk', '5\r\nhello\r\n0\n\n', 'hello'],
  ['a bare LF at the end', '5\r\nhello\r\n0\r\n\n', 'hello'],
  ['a trailer that is no header', '5\r\nhello\r\n0\r\nno header\r\n\r\n', 'hello'],
]

/** How the bytes of a response are cut on their way. */
const WAYS: ReadonlyArray<readonly [string, (bytes: string) => readonly string[]]> = [
  ['in one piece', (bytes) => [head('200 OK', SSE, CHUNKED) + bytes]],
  ['behind the head', (bytes) => [head('200 OK', SSE, CHUNKED), bytes]],
  ['with the end by itself', (bytes) => [head('200 OK', SSE, CHUNKED), ...splitAt(bytes, -LAST.length)]],
  ['cut in the middle of the first chunk', (bytes) => [head('200 OK', SSE, CHUNKED), ...splitAt(bytes, 5)]],
  // undici reads such a body alone.
  ['with a head in two pieces', (bytes) => splitAt(head('200 OK', SSE, CHUNKED) + bytes, 20)],
  ['byte by byte', (bytes) => [head('200 OK', SSE, CHUNKED), ...bytes]],
]

function splitAt(text: string, at: number): string[] {
  return [text.slice(0, at), text.slice(at)]
}

function send(pieces: readonly string[]): Script {
  return async (request) => {
    for (const piece of pieces) {
      await request.write(Buffer.from(piece, 'latin1'))
      if (pieces.length > 1) await wait(3)
    }
  }
}

for (const [how, cut] of WAYS) {
  test(`valid chunks are read whole ${how}`, async () => {
    for (const [what, bytes, text] of VALID) {
      await withRelay(send(cut(bytes)), async (scene) => {
        const response = await scene.ask(`GET /v1/x HTTP/1.1\r\n${scene.auth}\r\n`)
        assert.ok(response.complete, what)
        assert.is(response.body.toString('latin1'), text, what)
        const [line] = await scene.relay.requests(1)
        assert.is(line?.end, 'done', what)
      })
    }
  })

  test(`broken chunks are cut ${how}, and never taken for done`, async () => {
    for (const [what, bytes, text] of BROKEN) {
      await withRelay(send(cut(bytes)), async (scene) => {
        const client = await scene.client()
        client.send(`GET /v1/x HTTP/1.1\r\n${scene.auth}\r\n`)
        await client.closed()
        const response = await client.response()
        assert.is(response.complete, false, `${what}: a cut that looks like the end`)
        const got = response.body.toString('latin1')
        assert.ok(text.startsWith(got), `${what}: ${JSON.stringify(got)}`)
        const [line] = await scene.relay.requests(1)
        assert.is(line?.end, 'upstream_cut', what)
      })
    }
  })
}

test.run()
