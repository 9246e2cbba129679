import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { OK, type Scene, withRelay } from '../../support/scene.js'
import { until } from '../../support/until.js'

/**
 * What a server may do with a request by RFC 9112 and RFC 9110: the statuses that are right, and whether the connection
 * may stay open. `%A` stands for the header lines of an admitted request: a host and a key.
 */
interface Case {
  readonly section: string
  readonly name: string
  readonly bytes: string
  /** Statuses that are right; 0 stands for a close without an answer. */
  readonly right: readonly number[]
  /** The connection has to be closed: nothing behind this request can be told apart. */
  readonly closes?: true
  /** The next request is sent when this one is answered. */
  readonly isAlone?: true
  /** Requests that may reach the upstream; of refused ones, none. */
  readonly relayed?: number
}

const OKAY = [200]
const BAD = [400]
const END = '\r\n\r\n'
const get = (rest: string): string => `GET ${rest}`
const post = (rest: string): string => `POST /v1/x HTTP/1.1\r\n%A${rest}`

function bad(section: string, name: string, bytes: string, right: readonly number[] = BAD): Case {
  return { section, name, bytes, right, closes: true }
}

/** Refused, and the connection may be used further. */
function refused(section: string, name: string, bytes: string, right: readonly number[] = BAD): Case {
  return { section, name, bytes, right }
}

function good(section: string, name: string, bytes: string, relayed = 1): Case {
  return { section, name, bytes, right: OKAY, relayed }
}

const CASES: readonly Case[] = [
  // The request line.
  good('RFC 9112 3', 'a plain GET', get('/v1/x HTTP/1.1\r\n%A\r\n')),
  good('RFC 9112 2.2', 'an empty line ahead of the request line', `\r\n${get('/v1/x HTTP/1.1\r\n%A\r\n')}`),
  bad('RFC 9112 2.2', 'a bare line feed behind the request line', get('/v1/x HTTP/1.1\n%A\r\n')),
  bad('RFC 9112 2.2', 'a bare line feed behind a field', get('/v1/x HTTP/1.1\r\nhost: relay\nx: y\r\n\r\n')),
  bad('RFC 9112 2.2', 'a bare carriage return in the request line', get('/v1/\rx HTTP/1.1\r\n%A\r\n')),
  bad('RFC 9112 2.2', 'a bare carriage return in a field', get('/v1/x HTTP/1.1\r\n%Ax: a\rb\r\n\r\n')),
  bad('RFC 9112 2.2', 'white space ahead of the first field', get('/v1/x HTTP/1.1\r\n x: y\r\n%A\r\n')),
  // A server may split the request line at any white space.
  good('RFC 9112 3', 'two spaces behind the method', get(' /v1/x HTTP/1.1\r\n%A\r\n')),
  good('RFC 9112 3', 'two spaces ahead of the version', get('/v1/x  HTTP/1.1\r\n%A\r\n')),
  bad('RFC 9112 3', 'a space within the target', get('/v1/x y HTTP/1.1\r\n%A\r\n')),
  bad('RFC 9112 3', 'a tab for a space', `GET\t/v1/x HTTP/1.1\r\n%A\r\n`),
  bad('RFC 9112 3', 'a space behind the version', get('/v1/x HTTP/1.1 \r\n%A\r\n')),
  bad('RFC 9112 3', 'no target', `GET HTTP/1.1\r\n%A\r\n`),
  bad('RFC 9112 3', 'no version', get('/v1/x\r\n%A\r\n'), [400, 505, 0]),
  bad('RFC 9112 3.1', 'a method in lower case', `get /v1/x HTTP/1.1\r\n%A\r\n`, [400, 501]),
  bad('RFC 9112 3.1', 'an unknown method', `FETCH /v1/x HTTP/1.1\r\n%A\r\n`, [400, 501]),
  bad('RFC 9110 5.6.2', 'a method that is no token', `GE(T /v1/x HTTP/1.1\r\n%A\r\n`),
  bad('RFC 9112 3.2', 'a NUL in the target', get('/v1/\0x HTTP/1.1\r\n%A\r\n')),
  bad('RFC 9112 3.2', 'a control character in the target', get('/v1/\x01x HTTP/1.1\r\n%A\r\n')),
  refused('RFC 9112 3.2', 'a fragment in the target', get('/v1/x#y HTTP/1.1\r\n%A\r\n')),
  bad(
    'RFC 9110 15.5.15',
    'a target that is far too long',
    get(`/v1/${'x'.repeat(70_000)} HTTP/1.1\r\n%A\r\n`),
    [414, 431],
  ),
  refused(
    'RFC 9112 3.2.2',
    'an absolute target of another host',
    get('http://other/v1/x HTTP/1.1\r\n%A\r\n'),
  ),
  bad('RFC 9112 3.2.3', 'an authority as the target of a GET', get('relay:80 HTTP/1.1\r\n%A\r\n')),
  refused('RFC 9112 3.2.4', 'an asterisk as the target of a GET', get('* HTTP/1.1\r\n%A\r\n')),
  { section: 'RFC 9110 9.3.7', name: 'OPTIONS *', bytes: 'OPTIONS * HTTP/1.1\r\n%A\r\n', right: [200, 204] },
  bad('RFC 9112 3.2.3', 'CONNECT', 'CONNECT relay:80 HTTP/1.1\r\n%A\r\n', [400, 405, 501, 0]),
  refused('RFC 9110 9.3.8', 'TRACE with a key', 'TRACE /v1/x HTTP/1.1\r\n%A\r\n', [400, 405, 501]),
  // Versions.
  bad('RFC 9112 2.3', 'HTTP/0.9 without a version', get('/\r\n'), [400, 505, 0]),
  bad('RFC 9110 15.6.6', 'HTTP/0.9 in the request line', get('/v1/x HTTP/0.9\r\n%A\r\n'), [400, 505]),
  bad('RFC 9110 15.6.6', 'HTTP/2.0 in the request line', get('/v1/x HTTP/2.0\r\n%A\r\n'), [505]),
  bad('RFC 9110 15.6.6', 'HTTP/3.0 in the request line', get('/v1/x HTTP/3.0\r\n%A\r\n'), [505]),
  bad('RFC 9113 3.4', 'the preface of HTTP/2', `PRI * HTTP/2.0\r\n\r\nSM${END}`, [400, 505, 0]),
  bad('RFC 9112 2.3', 'a version in lower case', get('/v1/x http/1.1\r\n%A\r\n')),
  bad('RFC 9112 2.3', 'a version of three digits', get('/v1/x HTTP/1.10\r\n%A\r\n'), [400, 505]),
  bad('RFC 9112 2.3', 'another protocol', get('/v1/x FTP/1.1\r\n%A\r\n')),
  {
    section: 'RFC 9112 2.3',
    name: 'HTTP/1.0',
    bytes: get('/v1/x HTTP/1.0\r\n%A\r\n'),
    right: OKAY,
    closes: true,
    relayed: 1,
  },
  // Host.
  refused('RFC 9112 3.2', 'no Host', get('/healthz HTTP/1.1\r\n\r\n')),
  refused('RFC 9112 3.2', 'two Hosts', get('/healthz HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n')),
  refused('RFC 9112 3.2', 'two hosts in one field', get('/healthz HTTP/1.1\r\nhost: a, b\r\n\r\n')),
  refused('RFC 9110 7.2', 'a Host with a user', get('/healthz HTTP/1.1\r\nhost: user@a\r\n\r\n')),
  refused('RFC 9110 7.2', 'a Host with a path', get('/healthz HTTP/1.1\r\nhost: a/b\r\n\r\n')),
  refused('RFC 9110 7.2', 'a Host with a space', get('/healthz HTTP/1.1\r\nhost: a b\r\n\r\n')),
  refused('RFC 9110 4.2.1', 'an empty Host', get('/healthz HTTP/1.1\r\nhost:\r\n\r\n')),
  refused('RFC 9110 7.2', 'a Host with a port that is none', get('/healthz HTTP/1.1\r\nhost: a:b\r\n\r\n')),
  good('RFC 9110 7.2', 'a Host with a port', get('/healthz HTTP/1.1\r\nhost: [::1]:80\r\n\r\n'), 0),
  // Fields.
  bad('RFC 9112 5.1', 'a space ahead of the colon', get('/v1/x HTTP/1.1\r\n%Ax : y\r\n\r\n')),
  bad('RFC 9112 5.1', 'a tab ahead of the colon', get('/v1/x HTTP/1.1\r\n%Ax\t: y\r\n\r\n')),
  bad('RFC 9112 5.2', 'a folded field', get('/v1/x HTTP/1.1\r\n%Ax: y\r\n z\r\n\r\n')),
  bad('RFC 9112 5.2', 'a field folded by a tab', get('/v1/x HTTP/1.1\r\n%Ax: y\r\n\tz\r\n\r\n')),
  bad('RFC 9110 5.1', 'a field without a name', get('/v1/x HTTP/1.1\r\n%A: y\r\n\r\n')),
  bad('RFC 9110 5.1', 'a name that is no token', get('/v1/x HTTP/1.1\r\n%Ax(y: z\r\n\r\n')),
  bad('RFC 9110 5.1', 'a name that is not ASCII', get('/v1/x HTTP/1.1\r\n%Ax\xe9: z\r\n\r\n')),
  bad('RFC 9112 5', 'a field without a colon', get('/v1/x HTTP/1.1\r\n%Axyz\r\n\r\n')),
  bad('RFC 9110 5.5', 'a NUL in a value', get('/v1/x HTTP/1.1\r\n%Ax: a\0b\r\n\r\n')),
  bad('RFC 9110 5.5', 'a control character in a value', get('/v1/x HTTP/1.1\r\n%Ax: a\x07b\r\n\r\n')),
  good('RFC 9110 5.5', 'an empty value', get('/v1/x HTTP/1.1\r\n%Ax:\r\n\r\n')),
  good('RFC 9110 5.5', 'white space around a value', get('/v1/x HTTP/1.1\r\n%Ax: \t a \t \r\n\r\n')),
  bad(
    'RFC 6585 5',
    'a field that is far too long',
    get(`/v1/x HTTP/1.1\r\n%Ax: ${'y'.repeat(70_000)}\r\n\r\n`),
    [431],
  ),
  bad('RFC 6585 5', 'far too many fields', get(`/v1/x HTTP/1.1\r\n%A${'a:\r\n'.repeat(6_000)}\r\n`), [431]),
  // The length of a body.
  good('RFC 9112 6.2', 'a body with its length', post(`content-length: 5${END}hello`)),
  good('RFC 9112 6.2', 'a GET with a body', `GET /v1/x HTTP/1.1\r\n%Acontent-length: 5${END}hello`),
  good('RFC 9112 6.3', 'a POST without a body', post('\r\n')),
  bad('RFC 9112 6.3', 'two different lengths', post(`content-length: 5\r\ncontent-length: 6${END}hello`)),
  bad('RFC 9112 6.3', 'the same length twice', post(`content-length: 5\r\ncontent-length: 5${END}hello`)),
  bad('RFC 9112 6.3', 'a list of lengths', post(`content-length: 5, 5${END}hello`)),
  bad('RFC 9110 8.6', 'a negative length', post(`content-length: -5${END}hello`)),
  bad('RFC 9110 8.6', 'a length with a plus', post(`content-length: +5${END}hello`)),
  bad('RFC 9110 8.6', 'a length in hex', post(`content-length: 0x5${END}hello`)),
  bad('RFC 9110 8.6', 'a length with a fraction', post(`content-length: 5.0${END}hello`)),
  bad('RFC 9110 8.6', 'an empty length', post(`content-length:${END}hello`)),
  bad('RFC 9110 8.6', 'a length beyond 64 bits', post(`content-length: 99999999999999999999${END}hello`)),
  bad('RFC 9110 8.6', 'a length with a space in it', post(`content-length: 5 5${END}hello`)),
  good('RFC 9110 8.6', 'a length with zeros ahead', post(`content-length: 005${END}hello`)),
  // Transfer codings.
  good('RFC 9112 7.1', 'a chunked body', post(`transfer-encoding: chunked${END}5\r\nhello\r\n0${END}`)),
  good('RFC 9112 7', 'chunked in capitals', post(`transfer-encoding: CHUNKED${END}5\r\nhello\r\n0${END}`)),
  bad(
    'RFC 9112 6.3',
    'a length and chunked',
    post(`content-length: 5\r\ntransfer-encoding: chunked${END}0${END}`),
  ),
  bad(
    'RFC 9112 6.3',
    'chunked and a length',
    post(`transfer-encoding: chunked\r\ncontent-length: 5${END}0${END}`),
  ),
  bad(
    'RFC 9112 6.3',
    'chunked that is not the last coding',
    post(`transfer-encoding: chunked, gzip${END}0${END}`),
  ),
  bad('RFC 9112 7.1', 'chunked twice', post(`transfer-encoding: chunked, chunked${END}0${END}`)),
  bad('RFC 9112 6.1', 'an unknown coding', post(`transfer-encoding: x${END}0${END}`), [400, 501]),
  bad(
    'RFC 9112 6.1',
    'identity, which is no coding any more',
    post(`transfer-encoding: identity${END}`),
    [400, 501],
  ),
  bad(
    'RFC 9112 6.1',
    'a coding with a parameter',
    post(`transfer-encoding: chunked;x=y${END}0${END}`),
    [400, 501],
  ),
  bad('RFC 9112 6.1', 'an empty coding', post(`transfer-encoding:${END}0${END}`), [400, 501]),
  bad('RFC 9112 6.1', 'chunked in quotes', post(`transfer-encoding: "chunked"${END}0${END}`), [400, 501]),
  bad(
    'RFC 9112 6.1',
    'chunked in HTTP/1.0 with a length',
    `POST /v1/x HTTP/1.0\r\n%Atransfer-encoding: chunked\r\ncontent-length: 5${END}0${END}`,
  ),
  {
    section: 'RFC 9112 6.1',
    name: 'gzip ahead of chunked',
    bytes: post(`transfer-encoding: gzip, chunked${END}5\r\nhello\r\n0${END}`),
    right: [400, 501],
    closes: true,
  },
  // Chunks.
  good(
    'RFC 9112 7.1.1',
    'a chunk with an extension',
    post(`transfer-encoding: chunked${END}5;a=b\r\nhello\r\n0${END}`),
  ),
  good(
    'RFC 9112 7.1.1',
    'a chunk with a quoted extension',
    post(`transfer-encoding: chunked${END}5;a="b c"\r\nhello\r\n0${END}`),
  ),
  good('RFC 9112 7.1.2', 'trailers', post(`transfer-encoding: chunked${END}5\r\nhello\r\n0\r\nx: y${END}`)),
  good(
    'RFC 9112 7.1',
    'a chunk size in capitals and with zeros',
    post(`transfer-encoding: chunked${END}000A\r\nhellohello\r\n0${END}`),
  ),
  bad(
    'RFC 9112 7.1',
    'a chunk size that is none',
    post(`transfer-encoding: chunked${END}x\r\nhello\r\n0${END}`),
  ),
  bad(
    'RFC 9112 7.1',
    'a chunk size with 0x',
    post(`transfer-encoding: chunked${END}0x5\r\nhello\r\n0${END}`),
  ),
  bad(
    'RFC 9112 7.1',
    'a negative chunk size',
    post(`transfer-encoding: chunked${END}-5\r\nhello\r\n0${END}`),
  ),
  bad(
    'RFC 9112 7.1',
    'a chunk size beyond 64 bits',
    post(`transfer-encoding: chunked${END}fffffffffffffffff\r\nhello\r\n0${END}`),
  ),
  bad('RFC 9112 7.1', 'an empty chunk size', post(`transfer-encoding: chunked${END}\r\nhello\r\n0${END}`)),
  bad(
    'RFC 9112 7.1',
    'a space ahead of a chunk size',
    post(`transfer-encoding: chunked${END} 5\r\nhello\r\n0${END}`),
  ),
  bad(
    'RFC 9112 7.1',
    'a chunk size with an underscore',
    post(`transfer-encoding: chunked${END}1_0\r\nhello\r\n0${END}`),
  ),
  bad(
    'RFC 9112 2.2',
    'a chunk size that ends in a line feed',
    post(`transfer-encoding: chunked${END}5\nhello\r\n0${END}`),
  ),
  bad(
    'RFC 9112 7.1',
    'a chunk without its line end',
    post(`transfer-encoding: chunked${END}5\r\nhelloX\r\n0${END}`),
  ),
  bad(
    'RFC 9112 7.1',
    'a chunk that is longer than its size',
    post(`transfer-encoding: chunked${END}4\r\nhello\r\n0${END}`),
  ),
  bad(
    'RFC 9112 7.1.1',
    'a line feed in an extension',
    post(`transfer-encoding: chunked${END}5;a\nb\r\nhello\r\n0${END}`),
  ),
  bad(
    'RFC 9112 7.1.1',
    'a NUL in an extension',
    post(`transfer-encoding: chunked${END}5;a\0b\r\nhello\r\n0${END}`),
  ),
  bad(
    'RFC 9112 7.1.2',
    'a trailer that is no field',
    post(`transfer-encoding: chunked${END}5\r\nhello\r\n0\r\nx y${END}`),
  ),
  // Expect, Upgrade, and what follows.
  refused('RFC 9110 10.1.1', 'an Expect that nobody knows', `GET /v1/x HTTP/1.1\r\n%Aexpect: x${END}`, [417]),
  {
    section: 'RFC 9110 10.1.1',
    name: '100-continue without a body',
    bytes: `GET /v1/x HTTP/1.1\r\n%Aexpect: 100-continue${END}`,
    right: OKAY,
    closes: true,
    relayed: 1,
  },
  {
    ...good(
      'RFC 9110 7.8',
      'an offer of another protocol, which is ignored',
      get(`/v1/x HTTP/1.1\r\n%Aconnection: upgrade\r\nupgrade: h2c${END}`),
    ),
    // Node 24 and newer drop what comes in one piece with such an offer.
    isAlone: true,
  },
  bad(
    'RFC 9112 9.3',
    'bytes that are no request behind one',
    get(`/healthz HTTP/1.1\r\n%A\r\n\0\0\0${END}`),
    [200],
  ),
  {
    section: 'RFC 9112 9.6',
    name: 'Connection: close',
    bytes: get(`/v1/x HTTP/1.1\r\n%Aconnection: close${END}`),
    right: OKAY,
    closes: true,
    relayed: 1,
  },
]

/** Stands behind each request: it must be read as a request where the connection stays open, and in no other case. */
const NEXT = 'GET /healthz HTTP/1.1\r\nhost: relay\r\nx-next: 1\r\n\r\n'

async function answerOf(
  scene: Scene,
  { bytes, closes, isAlone }: Case,
): Promise<{ status: number; open: boolean }> {
  const client = await scene.client()
  client.send(Buffer.from(bytes.replaceAll('%A', scene.auth), 'latin1'))
  if (isAlone === true) await client.response()
  // What is no complete request to the relay may wait for more.
  client.send(NEXT)
  const answers = (): number => (client.text.match(/HTTP\/1\.1 (?!100)\d{3} /g) ?? []).length
  await until(() => answers() >= 2 || client.ending !== null, 'both answers, or the end')
  if (closes === true) await client.closed()
  const status = /^(?:HTTP\/1\.1 100 Continue\r\n\r\n)?HTTP\/1\.1 (\d{3}) /.exec(client.text)?.[1]
  const open = answers() === 2 && client.text.includes('"status":"ok"')
  client.destroy()
  return { status: Number(status ?? 0), open }
}

for (const each of CASES)
  test(`${each.section}: ${each.name}: ${each.right.join(' or ')}`, () =>
    withRelay(OK, async (scene) => {
      const { status, open } = await answerOf(scene, each)
      assert.ok(each.right.includes(status), `it was answered with ${status}`)
      if (each.closes === true && status !== 200)
        assert.not.ok(open, 'the bytes behind it were read as a request')
      if (each.closes === undefined) assert.ok(open, 'the connection was not used further')
      assert.is(scene.upstream.requests.length, each.relayed ?? 0)
      await until(() => scene.relay.inspect().openCount === 0, 'it to be over')
    }))

test('there are enough cases', () => assert.ok(CASES.length >= 67, String(CASES.length)))

test.run()
