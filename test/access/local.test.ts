import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isLocalCaller } from '../../src/access/local.js'

const HOST = ['Host', '127.0.0.1:4000']

for (const [what, headers, isLocal] of [
  ['a program on this machine', HOST, true],
  ['a program that says no host', [], true],
  ['a program that names this machine', ['Host', 'localhost:4000'], true],
  ['a program that names this machine by IPv6', ['Host', '[::1]:4000'], true],
  ['a page whose name points to this machine', ['Host', 'page.example'], false],
  ['a page', [...HOST, 'Origin', 'https://page.example'], false],
  ['a page in a sandboxed frame', [...HOST, 'Origin', 'null'], false],
  ['a page of this machine', [...HOST, 'Origin', 'http://localhost:3000'], true],
  ['a window of an editor', [...HOST, 'Origin', 'vscode-file://vscode-app'], true],
  ['a tunnel that sends localhost as Host', [...HOST, 'X-Forwarded-For', '203.0.113.7'], false],
  [
    'a tunnel whose client forged an address here',
    [...HOST, 'X-Forwarded-For', '127.0.0.1, 203.0.113.7'],
    false,
  ],
  [
    'a tunnel that is called through a proxy here',
    [...HOST, 'X-Forwarded-For', '203.0.113.7, 127.0.0.1'],
    false,
  ],
  [
    'a tunnel with two fields',
    [...HOST, 'X-Forwarded-For', '127.0.0.1', 'x-forwarded-for', '2001:db8::7'],
    false,
  ],
  ['a proxy with a client that it does not name', [...HOST, 'X-Forwarded-For', 'unknown'], false],
  [
    'a proxy that names its client by a standard',
    [...HOST, 'Forwarded', 'proto=https;for="[2001:db8::7]:99"'],
    false,
  ],
  [
    'a proxy for programs of this machine',
    [...HOST, 'X-Forwarded-For', '127.0.0.1, ::1, ::ffff:127.0.0.1'],
    true,
  ],
  [
    'a proxy that names this machine with a port',
    [...HOST, 'X-Forwarded-For', '127.0.0.1:50000, [::1]:1'],
    true,
  ],
  [
    'a proxy that names this machine by the standard',
    [...HOST, 'Forwarded', 'for=127.0.0.1, for="[::1]"'],
    true,
  ],
  ['a proxy that leaves the field empty', [...HOST, 'X-Forwarded-For', ''], true],
  ['a proxy with empty elements', [...HOST, 'X-Forwarded-For', ', 127.0.0.1 ,, ::1,'], true],
  ['a tunnel with empty elements', [...HOST, 'X-Forwarded-For', ', ,203.0.113.7,'], false],
  ['a proxy that empties the standard field', [...HOST, 'Forwarded', 'for=;proto=http, for=""'], true],
  ['a proxy on a socket file', [...HOST, 'X-Forwarded-For', 'unix:', 'Forwarded', 'for="unix:"'], true],
  ['a tunnel behind a socket file', [...HOST, 'X-Forwarded-For', '203.0.113.7, unix:'], false],
  ['a proxy that names a mapped address', [...HOST, 'X-Forwarded-For', '[::FFFF:127.0.0.1]:99'], true],
  ['a tunnel with a mapped address', [...HOST, 'X-Forwarded-For', '[::ffff:203.0.113.7]:99'], false],
] as const)
  test(`${what} is ${isLocal ? 'a' : 'no'} caller on this machine`, () => {
    assert.is(isLocalCaller(headers), isLocal)
  })

test.run()
