import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ClientAddresses } from '../../src/access/client-address.js'
import { isAddressOrNetwork } from '../../src/config/networks.js'

const PROXIES = ['10.0.0.0/8', '192.168.1.7', 'fd00::/8', '::1']

const CASES: readonly (readonly [
  what: string,
  trusted: readonly string[],
  peer: string | undefined,
  forwarded: readonly string[],
  address: string | null,
])[] = [
  ['the socket names the client', [], '203.0.113.9', [], '203.0.113.9'],
  ['an IPv4 address on an IPv6 socket is written as IPv4', [], '::ffff:203.0.113.9', [], '203.0.113.9'],
  ['a header is not believed without trusted proxies', [], '10.0.0.1', ['1.2.3.4'], '10.0.0.1'],
  [
    'a header of a client that is no proxy is not believed',
    PROXIES,
    '203.0.113.9',
    ['1.2.3.4'],
    '203.0.113.9',
  ],
  ['a proxy names the client', PROXIES, '10.0.0.1', ['203.0.113.9'], '203.0.113.9'],
  ['a proxy on an IPv6 socket names the client', PROXIES, '::ffff:10.0.0.1', ['203.0.113.9'], '203.0.113.9'],
  ['a proxy on loopback names the client', PROXIES, '::1', ['203.0.113.9'], '203.0.113.9'],
  ['two proxies name the client', PROXIES, '10.0.0.1', ['203.0.113.9, 10.2.0.1'], '203.0.113.9'],
  [
    'what the client put in front is not believed',
    PROXIES,
    '10.0.0.1',
    ['1.2.3.4, 203.0.113.9'],
    '203.0.113.9',
  ],
  ['two headers are one list', PROXIES, '10.0.0.1', ['1.2.3.4', '203.0.113.9, 10.2.0.1'], '203.0.113.9'],
  ['only proxies are named', PROXIES, '10.0.0.1', ['10.3.0.1, 10.2.0.1'], '10.3.0.1'],
  ['no header came', PROXIES, '10.0.0.1', [], '10.0.0.1'],
  ['text that is no address ends the list', PROXIES, '10.0.0.1', ['1.2.3.4, unknown, 10.2.0.1'], '10.2.0.1'],
  ['a port is left out', PROXIES, '10.0.0.1', ['203.0.113.9:4711'], '203.0.113.9'],
  ['brackets and a port of IPv6 are left out', PROXIES, 'fd00::1', ['"[2001:db8::9]:4711"'], '2001:db8::9'],
  ['an IPv6 address is taken as it is', PROXIES, 'fd00::1', ['2001:db8::9'], '2001:db8::9'],
  ['the client has left', PROXIES, undefined, ['203.0.113.9'], null],
]

for (const [what, trusted, peer, forwarded, address] of CASES)
  test(`the address of a client: ${what}`, () => {
    const headers = forwarded.flatMap((value) => ['X-Forwarded-For', value])
    assert.is(new ClientAddresses(trusted).find(peer, headers), address)
  })

for (const [text, isValid] of [
  ['10.0.0.1', true],
  ['10.0.0.0/8', true],
  ['0.0.0.0/0', true],
  ['::1', true],
  ['fd00::/8', true],
  ['fd00::/129', false],
  ['10.0.0.0/33', false],
  ['10.0.0.0/', false],
  ['10.0.0.0/8/8', false],
  ['10.0.0/8', false],
  ['proxy.example', false],
  ['', false],
] as const)
  test(`${JSON.stringify(text)} is ${isValid ? 'an' : 'no'} address or network`, () => {
    assert.is(isAddressOrNetwork(text), isValid)
  })

test.run()
