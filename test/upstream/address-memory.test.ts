import type { LookupAddress } from 'node:dns'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type LookupFunction } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { AddressMemory, type Lookup } from '../../src/upstream/address-memory.js'

const HOST = 'upstream.example'

/** Node asks for all addresses. */
function resolveTo(...addresses: string[]): Lookup {
  return (_host, _options, callback) =>
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )
}

function order(memory: AddressMemory): string[] {
  let found: readonly LookupAddress[] = []
  memory.lookup(HOST, { all: true }, (_, addresses) => {
    found = addresses as LookupAddress[]
  })
  return found.map(({ address }) => address)
}

test('only the first connection tries an address that does not answer', async () => {
  const server = createServer((socket) => socket.resume().on('end', () => socket.end()))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  // Nothing listens there.
  const resolve = resolveTo('127.0.0.2', '127.0.0.3', '127.0.0.1')
  const memory = new AddressMemory((...given) => process.nextTick(resolve, ...given))
  const tried: string[][] = []
  for (let i = 0; i < 3; i++) {
    const socket = connect({ host: HOST, port, lookup: memory.lookup as LookupFunction })
    const attempts: string[] = []
    socket.on('connectionAttempt', (address: string) => attempts.push(address))
    await once(socket, 'connect')
    memory.onConnected(HOST, socket)
    tried.push(attempts)
    socket.destroy()
  }
  assert.equal(tried, [['127.0.0.2', '127.0.0.3', '127.0.0.1'], ['127.0.0.1'], ['127.0.0.1']])
  server.close()
})

const CASES: Array<[string, string[], string[], string[]]> = [
  ['the first address answered', ['::1', '10.0.0.1'], ['::1'], ['::1', '10.0.0.1']],
  ['the second answered', ['::1', '10.0.0.1'], ['10.0.0.1'], ['10.0.0.1', '::1']],
  [
    'the last answered',
    ['10.0.0.1', '10.0.0.2', '10.0.0.3'],
    ['10.0.0.3'],
    ['10.0.0.3', '10.0.0.1', '10.0.0.2'],
  ],
  ['a dead one answers again', ['10.0.0.1', '10.0.0.2'], ['10.0.0.2', '10.0.0.1'], ['10.0.0.1', '10.0.0.2']],
  ['all answered in turn', ['10.0.0.1', '10.0.0.2'], ['10.0.0.2', '10.0.0.2'], ['10.0.0.2', '10.0.0.1']],
  ['the address was not looked up', ['10.0.0.1', '10.0.0.2'], ['10.9.9.9'], ['10.0.0.1', '10.0.0.2']],
]
for (const [what, found, answered, expected] of CASES) {
  test(`the order of addresses after ${what}`, () => {
    const memory = new AddressMemory(resolveTo(...found))
    for (const remoteAddress of answered) {
      order(memory)
      memory.onConnected(HOST, { remoteAddress } as never)
    }
    assert.equal(order(memory), expected)
  })
}

test('an error of the resolver, and a lookup of one address, pass unchanged', () => {
  const error = Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' })
  const failing = new AddressMemory((_host, _options, callback) => callback(error, '', 0))
  failing.lookup(HOST, { all: true }, (failed) => assert.is(failed, error))
  const single = new AddressMemory((_host, _options, callback) => callback(null, '10.0.0.1', 4))
  single.lookup(HOST, {}, (_, address, family) => assert.equal([address, family], ['10.0.0.1', 4]))
})

test('the addresses of many names take no more memory than those of some', () => {
  const memory = new AddressMemory((_host, _options, callback) =>
    callback(null, [
      { address: '10.0.0.1', family: 4 },
      { address: '10.0.0.2', family: 4 },
    ]),
  )
  for (let i = 0; i < 10_000; i++) memory.lookup(`host-${i}.example`, { all: true }, () => {})
  assert.ok(memory.size <= 128, String(memory.size))
})

test.run()
