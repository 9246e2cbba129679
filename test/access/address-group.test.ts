import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { groupAddress } from '../../src/access/address-group.js'
import { ClientAddresses } from '../../src/access/client-address.js'

const GROUPS: ReadonlyArray<readonly [string, string]> = [
  ['1.2.3.4', '1.2.3.4'],
  ['::ffff:1.2.3.4', '1.2.3.4'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::', '2001:db8:1:2::/64'],
  ['2001:DB8:01:0002::9', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['1::', '1:0:0:0::/64'],
  ['::1.2.3.4', '0:0:0:0::/64'],
]
for (const [address, group] of GROUPS)
  test(`${address} is counted as ${group}`, () => assert.is(groupAddress(address), group))

const COUNTED: ReadonlyArray<
  readonly [what: string, trusted: string[], peer: string, named: string[], string]
> = [
  ['a client', [], '9.9.9.9', [], '9.9.9.9'],
  ['a client that names another', [], '9.9.9.9', ['1.1.1.1'], '9.9.9.9'],
  ['the client of a trusted proxy', ['9.9.9.9'], '9.9.9.9', ['1.1.1.1, 2.2.2.2'], '2.2.2.2'],
  ['a client of a proxy on this machine', [], '127.0.0.1', ['1.1.1.1, 2.2.2.2'], '2.2.2.2'],
  [
    'a client of a proxy on this machine, in a second field',
    [],
    '::1',
    ['1.1.1.1', '2001:db8::7'],
    '2001:db8:0:0::/64',
  ],
  ['a program on this machine', [], '127.0.0.1', [], '127.0.0.1'],
  ['a program on this machine that names nobody', [], '127.0.0.1', ['nobody'], '127.0.0.1'],
]
for (const [what, trusted, peer, named, counted] of COUNTED)
  test(`${what} is counted as ${counted}`, () => {
    const headers = named.flatMap((value) => ['X-Forwarded-For', value])
    assert.is(new ClientAddresses(trusted).findCounted(peer, headers), counted)
  })

test.run()
