import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readAccessLine } from '../../../src/ledger/direct/access-line.js'
import { formatDirectRecord } from '../../../src/ledger/direct/direct-record.js'
import type { FrontRequest, SkippedLine } from '../../../src/ledger/direct/front-request.js'
import { recordSchema } from '../../../src/ledger/schema.js'
import { fc } from '../../support/property.js'

const NOW = Date.UTC(2026, 10, 29, 17)

/** A line of nginx, as its recipe writes it. */
const NGINX = {
  thinwire: 'direct',
  v: 1,
  time: 1_795_970_293.767,
  request_id: '4ada4d616cdb63bbeb6928cd6b37757b',
  key_id: 'k_1',
  env: 'prod',
  team: 'web',
  user: 'ann',
  model: 'gpt-5-mini',
  method: 'POST',
  path: '/v1/chat/completions',
  status: '200',
  bytes_in: '84',
  bytes_out: '5000',
  duration: '1.250',
  first_byte: '0.004',
  client: '192.0.2.7',
  upstream: '192.0.2.1:443',
  ended: 'OK',
}

/** A line of Caddy 2.6, of a request that the provider has answered. */
const CADDY = {
  level: 'info',
  ts: 1_795_970_299.375_099_2,
  logger: 'http.log.access.log0',
  msg: 'handled request',
  request: {
    remote_ip: '2001:DB8::1',
    remote_port: '52650',
    proto: 'HTTP/2.0',
    method: 'POST',
    host: 'ai.example.com',
    uri: '/v1/chat/completions?key=secret',
    headers: { 'User-Agent': ['cursor'] },
  },
  user_id: '',
  duration: 0.047_757_707,
  size: 5,
  status: 200,
  resp_headers: {
    'X-Thinwire-Direct-Key': ['k_1:prod:web:ann'],
    Date: ['Sun, 29 Nov 2026 16:38:19 GMT'],
    Server: ['Caddy'],
    'X-Thinwire-Direct': ['1'],
    'X-Request-Id': ['req_0123456789abcdef'],
  },
}

function read(line: unknown, now = NOW): FrontRequest {
  const found = readAccessLine(typeof line === 'string' ? line : JSON.stringify(line), now)
  assert.not('skipped' in found, JSON.stringify(found))
  return found as FrontRequest
}

function skip(line: unknown, now = NOW): SkippedLine {
  const found = readAccessLine(typeof line === 'string' ? line : JSON.stringify(line), now)
  assert.ok('skipped' in found, JSON.stringify(found))
  return found as SkippedLine
}

test('a line of nginx has all that a record needs', () => {
  const { identity, ...found } = read(NGINX)
  assert.ok(identity.includes('4ada4d616cdb63bbeb6928cd6b37757b'))
  assert.equal(found, {
    requestId: '4ada4d616cdb63bbeb6928cd6b37757b',
    endedAt: 1_795_970_293_767,
    durationMs: 1_250,
    firstByteMs: 4,
    ...{ key: 'k_1', env: 'prod', team: 'web', user: 'ann', model: 'gpt-5-mini' },
    ...{ method: 'POST', path: '/v1/chat/completions', status: 200 },
    ...{ bytesIn: 84, bytesOut: 5_000, clientAddress: '192.0.2.7', upstreamRequestId: null },
    ...{ wasSent: true, end: 'done', phase: 'respond', isUnique: true },
  })
})

test('a line of Caddy has all that a record needs, and its query is left out', () => {
  const { identity, ...found } = read(CADDY)
  assert.ok(identity.includes('52650'))
  assert.equal(found, {
    requestId: '',
    endedAt: 1_795_970_299_375,
    durationMs: null,
    firstByteMs: null,
    ...{ key: 'k_1', env: 'prod', team: 'web', user: 'ann', model: null },
    ...{ method: 'POST', path: '/v1/chat/completions', status: 200 },
    ...{ bytesIn: null, bytesOut: 5, clientAddress: '2001:db8::1' },
    ...{ upstreamRequestId: 'req_0123456789abcdef', wasSent: true, end: 'done', phase: 'respond' },
    isUnique: true,
  })
})

test('a line behind the prefix of a syslog is the same line', () => {
  const text = JSON.stringify(NGINX)
  for (const line of [`<134>Nov 29 16:38:13 front haproxy[42]: ${text}`, `${text}\r`, ` ${text}  `])
    assert.equal(read(line), read(NGINX), line)
})

/** What fronts were seen to write, and how the request ended. */
const ENDS: readonly (readonly [Readonly<Record<string, unknown>>, string, string])[] = [
  // nginx 1.22
  [{}, 'done', 'respond'],
  [{ status: '500' }, 'done', 'respond'],
  [{ status: '502' }, 'done', 'respond'],
  [{ ended: '' }, 'client_gone', 'respond'],
  [{ ended: '', status: '502' }, 'upstream_failed', 'attempt'],
  [{ ended: '', completed: '' }, 'client_gone', 'respond'],
  [{ ended: '', completed: 'OK' }, 'upstream_cut', 'respond'],
  [{ ended: '', status: '499', first_byte: '-', bytes_out: '0' }, 'client_gone', 'attempt'],
  [{ status: '504', first_byte: '-' }, 'upstream_failed', 'attempt'],
  [
    { status: '502', first_byte: '-, -', upstream: '192.0.2.1:443, 192.0.2.2:443' },
    'upstream_failed',
    'attempt',
  ],
  [{ status: '200', first_byte: '-, 0.2', upstream: '192.0.2.1:443, 192.0.2.2:443' }, 'done', 'respond'],
  [{ status: '401', upstream: '', first_byte: '', key_id: '' }, 'refused', 'admit'],
  [{ status: '503', upstream: '-', first_byte: '-' }, 'refused', 'admit'],
  [{ status: '401' }, 'done', 'respond'],
  [{ status: '204', upstream: '', method: 'OPTIONS' }, 'local', 'admit'],
  [{ status: '000', upstream: '', ended: '' }, 'client_gone', 'admit'],
  // HAProxy 2.6: its termination state, also with the two letters for cookies
  [{ ended: '--' }, 'done', 'respond'],
  [{ ended: '----' }, 'done', 'respond'],
  [{ ended: '--NI' }, 'done', 'respond'],
  [{ ended: 'SD--' }, 'upstream_cut', 'respond'],
  [{ ended: 'sD' }, 'upstream_idle', 'respond'],
  [{ ended: 'CD' }, 'client_gone', 'respond'],
  [{ ended: 'cD' }, 'client_stalled', 'respond'],
  [{ ended: 'CH', status: '-1', first_byte: '-1' }, 'client_gone', 'attempt'],
  [{ ended: 'CR', status: '400', upstream: '-:-' }, 'client_gone', 'read'],
  [{ ended: 'cR', status: '408', upstream: '-:-1' }, 'client_gone', 'read'],
  [{ ended: 'sH', status: '504', first_byte: '-1' }, 'upstream_failed', 'attempt'],
  [{ ended: 'SH', status: '502', first_byte: '-1' }, 'upstream_failed', 'attempt'],
  [{ ended: 'SC', status: '503', first_byte: '-1' }, 'upstream_failed', 'attempt'],
  [{ ended: 'SC', status: '503', upstream: '<NOSRV>' }, 'upstream_failed', 'attempt'],
  [{ ended: 'PR', status: '401', upstream: '-:-', first_byte: '-1' }, 'refused', 'admit'],
  [{ ended: 'LR', status: '503', upstream: '-:-', first_byte: '-1' }, 'refused', 'admit'],
  [{ ended: 'LR', status: '200', upstream: '-:-' }, 'local', 'admit'],
  [{ ended: 'KD' }, 'shutdown', 'respond'],
  [{ ended: 'DD' }, 'upstream_cut', 'respond'],
  [{ ended: 'something' }, 'done', 'respond'],
]

test('the end of a request is told from what nginx and HAProxy write', () => {
  for (const [fields, end, phase] of ENDS) {
    const found = read({ ...NGINX, ...fields })
    assert.equal([found.end, found.phase], [end, phase], JSON.stringify(fields))
  }
})

test('the end of a request is told from what Caddy writes', () => {
  const { 'X-Thinwire-Direct-Key': _, Date: __, ...refused } = CADDY.resp_headers
  const { Date: ___, ...failed } = CADDY.resp_headers
  const ends: readonly (readonly [object, string])[] = [
    [{ status: 429 }, 'done'],
    [{ status: 401, resp_headers: refused }, 'refused'],
    [{ status: 503, resp_headers: refused }, 'refused'],
    [{ status: 502, resp_headers: failed }, 'upstream_failed'],
    [{ status: 504, resp_headers: failed }, 'upstream_failed'],
    [{ status: 502 }, 'done'],
    [{ status: 0, resp_headers: failed }, 'client_gone'],
  ]
  for (const [fields, end] of ends) assert.is(read({ ...CADDY, ...fields }).end, end, JSON.stringify(fields))
})

test('a value that is not known is null, however a front writes that', () => {
  for (const unknown of ['', '-', null, undefined, '-1', 'x', {}, '1e999']) {
    const found = read({
      ...NGINX,
      bytes_in: unknown,
      bytes_out: unknown,
      duration: unknown,
      status: unknown,
    })
    assert.equal([found.bytesIn, found.bytesOut, found.durationMs, found.status], [null, null, null, null])
  }
  for (const unknown of ['', '-', null, undefined, ' ']) {
    const found = read({ ...NGINX, key_id: unknown, team: unknown, model: unknown, client: unknown })
    assert.equal([found.key, found.team, found.model, found.clientAddress], [null, null, null, null])
  }
})

test('a record is short, however long the texts of a line are', () => {
  const texts = ['x', '\u0000', '\u001b[2J', '"', '\u2028', '%'].map((text) => text.repeat(20_000))
  for (const text of [...texts, `fe80::1%${'a'.repeat(100_000)}`])
    for (const name of Object.keys(NGINX).filter((name) => !['thinwire', 'v', 'time'].includes(name))) {
      const record = formatDirectRecord(read({ ...NGINX, [name]: text }), '0'.repeat(32), 'direct-1', 1)
      assert.ok(record.length < 4_000, name)
    }
  assert.is(read({ ...NGINX, client: 'FE80::1%eth0' }).clientAddress, 'fe80::1')
})

test('numbers may be texts or numbers, and time spans may have a unit', () => {
  const spans: readonly (readonly [unknown, number | null])[] = [
    ['1.5', 1_500],
    [1.5, 1_500],
    ['0.000', 0],
    ['250ms', 250],
    ['2s', 2_000],
    ['0.1, 0.2', 200],
    ['0.1 : 0.3', 300],
    ['-, 0.2', 200],
    ['-', null],
  ]
  for (const [duration, ms] of spans) assert.is(read({ ...NGINX, duration }).durationMs, ms, String(duration))
  for (const time of [1_795_970_293.767, '1795970293.767', 1_795_970_293_767, '1795970293767000'])
    assert.is(read({ ...NGINX, time }).endedAt, 1_795_970_293_767, String(time))
  assert.is(read({ ...CADDY, ts: '2026-11-29T16:38:19.375Z' }).endedAt, 1_795_970_299_375)
})

test('addresses are shown as the ledger shows them', () => {
  const addresses: readonly (readonly [string, string | null])[] = [
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['[2001:DB8::7]', '2001:db8::7'],
    ['unix:', null],
    ['nobody', null],
  ]
  for (const [client, shown] of addresses) assert.is(read({ ...NGINX, client }).clientAddress, shown, client)
})

test('control characters and escapes that are no JSON do not make a line unreadable', () => {
  const line = JSON.stringify({ ...NGINX, model: 'MODEL' })
  const models: readonly (readonly [string, string])[] = [
    ['a\\x22b', 'a"b'],
    ['a\\x5Cx22', 'a\\x22'],
    ['a\\\\x22', 'a\\x22'],
    ['a\u0001b\tc', 'a\u0001b\tc'],
    ['\ufffd', '\ufffd'],
    ['a\\u0022b', 'a"b'],
  ]
  for (const [written, model] of models) assert.is(read(line.replace('MODEL', written)).model, model, written)
})

test('a line that gives no record says why', () => {
  const bad: readonly (readonly [unknown, RegExp])[] = [
    ['127.0.0.1 - - [29/Nov/2026:16:38:13 +0000] "GET / HTTP/1.1" 200 5', /no JSON object/],
    ['{"thinwire":"direct"', /JSON cannot be read/],
    [JSON.stringify(NGINX).replace('gpt-5-mini', 'a"b'), /JSON cannot be read/],
    [`{"${'x'.repeat(9_000_000)}`, /longer than 8 MiB/],
    [{ ...NGINX, v: 2 }, /"v" is not 1/],
    [{ ...NGINX, time: 'soon' }, /time cannot be read/],
    [{ ...NGINX, time: undefined }, /time cannot be read/],
    [{ ...NGINX, time: 12 }, /before 2020/],
    [{ ...NGINX, time: NOW / 1_000 + 90_000 }, /more than a day ahead/],
  ]
  for (const [line, why] of bad) {
    const found = skip(line)
    assert.is(found.skipped, 'bad')
    assert.match(found.why, why)
  }
  const { 'X-Thinwire-Direct': _, ...headers } = CADDY.resp_headers
  for (const line of [
    { ...NGINX, thinwire: 'relay' },
    { ...CADDY, resp_headers: headers },
    { level: 'info' },
  ])
    assert.is(skip(line).skipped, 'other')
})

test('a record of direct traffic is as the schema says, for any values', () => {
  const value = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.constantFrom('', '-', 'OK', '--', 'SD', '<NOSRV>', '499', '200', '/v1/embeddings', 'sk-abcdefghijkl'),
    fc.double(),
    fc.constantFrom(null, undefined, {}, []),
  )
  const names = Object.keys(NGINX).filter((name) => !['thinwire', 'v', 'time'].includes(name))
  const fields = fc.record(Object.fromEntries(names.map((name) => [name, value])), { requiredKeys: [] })
  fc.assert(
    fc.property(fields, (given) => {
      const request = read({ ...NGINX, ...given })
      const line = formatDirectRecord(request, 'a'.repeat(32), 'direct-1', 7)
      assert.not.match(line.slice(0, -1), /[\n\r]/)
      const record = recordSchema.parse(JSON.parse(line))
      assert.is(record.upstream, 'direct')
      assert.is(record.usage_source, 'none')
      assert.equal([record.prompt_tokens, record.completion_tokens, record.cost_usd], [null, null, null])
      assert.not.match(line, 'sk-abcdefghijkl')
    }),
    { numRuns: 2_000 },
  )
})

test('a refused request has the code of its error, and only then', () => {
  const codeOf = (fields: object): string | null =>
    JSON.parse(formatDirectRecord(read({ ...NGINX, ...fields }), '0'.repeat(32), 'direct-1', 1)).error_code
  assert.is(codeOf({ status: '401', upstream: '' }), 'invalid_api_key')
  assert.is(codeOf({ status: '503', upstream: '' }), 'direct_not_possible')
  assert.is(codeOf({ status: '413', upstream: '' }), null)
  assert.is(codeOf({ status: '401' }), null)
})

test.run()
