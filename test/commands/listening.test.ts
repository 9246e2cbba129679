import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ListenError } from '../../src/app/listen-error.js'
import { describeListenError, formatAddress, formatOrigin } from '../../src/commands/listening.js'

test('a program on this machine reaches a relay on every interface by the loopback address', () => {
  assert.is(formatOrigin('0.0.0.0', 4000), 'http://127.0.0.1:4000')
  assert.is(formatOrigin('::', 4000), 'http://127.0.0.1:4000')
  assert.is(formatOrigin('::1', 4000), 'http://[::1]:4000')
  assert.is(formatOrigin('10.0.0.1', 4000), 'http://10.0.0.1:4000')
  assert.is(formatOrigin('0.0.0.0', 4000, true), 'https://127.0.0.1:4000')
})

test('an IPv6 address stands in brackets before its port', () => {
  assert.is(formatAddress({ host: 'fe80::1', port: 1 }), '[fe80::1]:1')
  assert.is(formatAddress({ host: 'localhost', port: 1 }), 'localhost:1')
})

const CAUSES: Array<[string, string]> = [
  ['EADDRINUSE', 'relay.example:80 is taken by another program; stop it, or choose another with'],
  ['EACCES', 'listening on relay.example:80 is not allowed: ports below 1024 need root; choose another with'],
  ['EADDRNOTAVAIL', 'relay.example is no address of this machine; choose another with'],
  ['ENOTFOUND', 'the name relay.example has no address (ENOTFOUND); choose another with'],
  ['EAI_AGAIN', 'the name relay.example has no address (EAI_AGAIN); choose another with'],
]

for (const [code, text] of CAUSES) {
  test(`${code} is explained with the address and the setting to change`, () => {
    const cause = Object.assign(new Error('listen failed'), { code })
    const address = { host: 'relay.example', port: 80 }
    assert.is(
      describeListenError(new ListenError(address, 'metrics.listen', cause)),
      `${text} metrics.listen`,
    )
    assert.is(describeListenError(new ListenError(address, 'listen', cause)), `${text} --listen HOST:PORT`)
  })
}

test('an unknown error is given by its code', () => {
  const cause = Object.assign(new Error('listen failed'), { code: 'EODD' })
  const error = new ListenError({ host: '127.0.0.1', port: 80 }, 'listen', cause)
  assert.is(describeListenError(error), 'cannot listen on 127.0.0.1:80 (EODD)')
})

test.run()
