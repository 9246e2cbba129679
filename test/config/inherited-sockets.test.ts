import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readInheritedSockets, takeInheritedSockets } from '../../src/config/inherited-sockets.js'

const PID = 42

type Variables = Record<string, string>

const UNDERSTOOD: Array<[string, Variables, object]> = [
  ['no variable is no socket', {}, {}],
  ['a count without a process is for nobody', { LISTEN_FDS: '1' }, {}],
  ['no sockets are none', { LISTEN_FDS: '0', LISTEN_PID: '42' }, {}],
  ['one socket is the relay’s', { LISTEN_FDS: '1', LISTEN_PID: '42' }, { relay: 3 }],
  [
    'one socket of any name is the relay’s',
    { LISTEN_FDS: '1', LISTEN_PID: '42', LISTEN_FDNAMES: 'thinwire.socket' },
    { relay: 3 },
  ],
  [
    'the socket named metrics is for scrapers',
    { LISTEN_FDS: '2', LISTEN_PID: '42', LISTEN_FDNAMES: 'http:metrics' },
    { relay: 3, metrics: 4 },
  ],
  [
    'the order does not count',
    { LISTEN_FDS: '2', LISTEN_PID: '42', LISTEN_FDNAMES: 'metrics:thinwire' },
    { relay: 4, metrics: 3 },
  ],
  [
    'metrics alone leave the address of the relay',
    { LISTEN_FDS: '1', LISTEN_PID: '42', LISTEN_FDNAMES: 'metrics' },
    { metrics: 3 },
  ],
]

for (const [name, env, sockets] of UNDERSTOOD) {
  test(name, () => {
    const { problem, warning, sockets: read } = readInheritedSockets(env, PID)
    assert.equal([problem, warning], [null, null])
    assert.equal(JSON.parse(JSON.stringify(read)), sockets)
  })
}

const WRONG: Array<[Variables, RegExp]> = [
  [{ LISTEN_FDS: 'one', LISTEN_PID: '42' }, /^LISTEN_FDS must be a number of sockets/],
  [{ LISTEN_FDS: '-1', LISTEN_PID: '42' }, /^LISTEN_FDS must be a number of sockets/],
  [{ LISTEN_FDS: '99999999', LISTEN_PID: '42' }, /^LISTEN_FDS must be a number of sockets/],
  [{ LISTEN_FDS: '1', LISTEN_PID: 'self' }, /^LISTEN_PID must be the number of a process/],
  [
    { LISTEN_FDS: '2', LISTEN_PID: '42' },
    /^2 sockets were handed over for the relay: fd 3, fd 4; one is for/,
  ],
  [
    { LISTEN_FDS: '3', LISTEN_PID: '42', LISTEN_FDNAMES: 'http:admin:metrics' },
    /^2 sockets were handed over for the relay: fd 3 \(http\), fd 4 \(admin\); .*BindIPv6Only=both/,
  ],
  [
    { LISTEN_FDS: '2', LISTEN_PID: '42', LISTEN_FDNAMES: 'metrics:metrics' },
    /^2 sockets are named metrics; one is/,
  ],
  [
    { LISTEN_FDS: '2', LISTEN_PID: '42', LISTEN_FDNAMES: 'http' },
    /^LISTEN_FDNAMES has 1 names for 2 sockets/,
  ],
]

for (const [env, message] of WRONG) {
  test(`${Object.values(env).join(' ')} is refused with what would be right`, () => {
    const { problem, sockets } = readInheritedSockets(env, PID)
    assert.match(problem ?? '', message)
    assert.equal(sockets, {})
  })
}

test('sockets for another process are not used, and a line says why', () => {
  const { sockets, problem, warning } = readInheritedSockets({ LISTEN_FDS: '1', LISTEN_PID: '7' }, PID)
  assert.equal([sockets, problem], [{}, null])
  assert.match(warning ?? '', /process 7 \(LISTEN_PID\), and this is process 42/)
})

test('the variables are gone when they have been read, whatever they said', () => {
  for (const pid of ['42', '7', 'x']) {
    const env: Record<string, string | undefined> = {
      LISTEN_FDS: '1',
      LISTEN_PID: pid,
      LISTEN_FDNAMES: 'http',
      LISTEN_PIDFDID: '9',
      PATH: '/bin',
    }
    takeInheritedSockets(env, PID)
    assert.equal(env, { PATH: '/bin' })
  }
})

test.run()
