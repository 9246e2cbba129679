import fs from 'node:fs'
import { createServer } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findLeftovers, lookAround } from './leftovers.js'

// What is left behind here stays until the test takes it away, so there is nothing to be patient for.
const NO_PATIENCE = 0

function ignore(): void {}

for (const [what, leave, expected] of [
  [
    'a timer',
    () => {
      const timer = setInterval(ignore, 1_000_000)
      return () => clearInterval(timer)
    },
    '1 open: Timeout',
  ],
  [
    'a server',
    async () => {
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      return () => void server.close()
    },
    '1 open: TCPServerWrap',
  ],
  [
    'a listener for a signal',
    () => {
      process.on('SIGUSR2', ignore)
      return () => process.removeListener('SIGUSR2', ignore)
    },
    '1 more listeners of the process: SIGUSR2',
  ],
  [
    'a variable of the environment',
    () => {
      process.env.THINWIRE_LEFT = 'secret'
      return () => delete process.env.THINWIRE_LEFT
    },
    'a variable of the environment has changed: THINWIRE_LEFT',
  ],
  [
    'another folder',
    () => {
      const folder = process.cwd()
      process.chdir('/')
      return () => process.chdir(folder)
    },
    'the working directory has changed: /',
  ],
  ['a stopped clock', () => replace(performance, 'now', () => 1), 'has changed: performance.now'],
  ['a replaced clock', () => replace(Date, 'now', () => 1), 'has changed: Date.now'],
  ['a replaced request', () => replace(globalThis, 'fetch', ignore), 'has changed: globalThis.fetch'],
  [
    'a replaced write',
    () => replace(process.stdout, 'write', () => true),
    'has changed: process.stdout.write',
  ],
  ['a replaced file system', () => replace(fs, 'statSync', ignore), 'has changed: node:fs.statSync'],
  ['a new global', () => replace(globalThis, 'left', 1), 'has changed: globalThis.left'],
  [
    'a new method of all arrays',
    () => replace(Array.prototype, 'left', ignore),
    'has changed: Array.prototype.left',
  ],
] as const) {
  test(`${what} is left behind until it is taken away`, async () => {
    const before = await lookAround()
    const takeAway = await leave()
    const found = await findLeftovers(before, NO_PATIENCE)
    takeAway()
    assert.ok(found.includes(expected), found.join(', '))
    assert.equal(await findLeftovers(before), [])
  })
}

test('nothing is left behind by what has ended, is unreferenced, or waits for the end of the process', async () => {
  const before = await lookAround()
  await new Promise((resolve) => setTimeout(resolve, 1))
  const timer = setInterval(ignore, 1_000_000).unref()
  process.on('exit', ignore)
  assert.equal(await findLeftovers(before, NO_PATIENCE), [])
  clearInterval(timer)
  process.removeListener('exit', ignore)
})

test('a clock that was stopped and runs again is as before, though it is a field of its own now', async () => {
  const before = await lookAround()
  const { now } = performance
  performance.now = () => 1
  performance.now = now
  assert.equal(await findLeftovers(before, NO_PATIENCE), [])
})

test('what Node makes when it is first asked for is nothing that was left behind', async () => {
  const before = await lookAround()
  assert.ok(globalThis.crypto)
  assert.ok(await new Response('a').text())
  assert.equal(await findLeftovers(before, NO_PATIENCE), [])
})

test('what goes by itself is waited for', async () => {
  const before = await lookAround()
  setTimeout(ignore, 50)
  assert.equal(await findLeftovers(before), [])
})

/** @returns puts back what was there */
function replace(object: object, key: string, value: unknown): () => void {
  const was = Object.getOwnPropertyDescriptor(object, key)
  Object.defineProperty(object, key, { value, writable: true, configurable: true, enumerable: true })
  return () => {
    Reflect.deleteProperty(object, key)
    if (was !== undefined) Object.defineProperty(object, key, was)
  }
}

test.run()
