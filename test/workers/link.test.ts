import { spawn } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createLinkPair, openLink, openWorkerLink } from '../../src/workers/link.js'
import { until } from '../support/until.js'

const LINK = new URL('../../src/workers/link.js', import.meta.url)

const test = suite('link')

test('values come as copies, by topic, in order, and in a later turn', async () => {
  const [one, two] = createLinkPair()
  const got: unknown[] = []
  two.receive('limits', (value) => got.push(['limits', value]))
  two.receive('control', (value) => got.push(['control', value]))
  const sent = { cost: 12n, seen: new Map([['a', 1]]) }
  one.send('limits', sent)
  one.send('control', 1)
  one.send('limits', 2)
  assert.equal(got, [])
  await until(() => got.length === 3, 'the values')
  assert.equal(got, [
    ['limits', sent],
    ['control', 1],
    ['limits', 2],
  ])
  assert.is.not((got[0] as unknown[])[1], sent)
})

test('values wait for the receiver of their topic', async () => {
  const [one, two] = createLinkPair()
  const late: unknown[] = []
  let others = 0
  two.receive('control', () => others++)
  one.send('metrics', 'a')
  one.send('metrics', 'b')
  one.send('control', null)
  await until(() => others === 1, 'the other value')
  two.receive('metrics', (value) => late.push(value))
  assert.equal(late, ['a', 'b'])
})

test('a close is told once to both ends, and nothing is sent after it', async () => {
  const [one, two] = createLinkPair()
  const events: string[] = []
  one.onClose(() => events.push('one'))
  two.onClose(() => events.push('two'))
  two.receive('control', () => events.push('value'))
  one.send('control', 1)
  one.close()
  one.close()
  one.send('control', 2)
  assert.equal(events, ['one', 'two'])
  assert.is(one.isOpen || two.isOpen, false)
  one.onClose(() => events.push('late'))
  await until(() => events.length === 3, 'the late listener')
  assert.equal(events, ['one', 'two', 'late'])
})

test('a link to another process carries bigints both ways, and closes when that process is killed', async () => {
  const script =
    `import { openLink } from '${LINK}'; const link = openLink(process);` +
    "link.receive('limits', (value) => link.send('limits', value))"
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    serialization: 'advanced',
  })
  const link = openLink(child)
  const got: unknown[] = []
  let closed = 0
  link.onClose(() => closed++)
  link.receive('limits', (value) => got.push(value))
  for (let i = 0n; i < 50n; i++) link.send('limits', i)
  await link.flush()
  await until(() => got.length === 50, 'the echo')
  assert.equal(
    got,
    Array.from({ length: 50 }, (_, i) => BigInt(i)),
  )
  child.kill('SIGKILL')
  await until(() => closed === 1, 'the close')
  link.send('limits', 1n)
  await link.flush()
  assert.is(link.isOpen, false)
})

class TestChannel extends EventEmitter {
  readonly sent: unknown[] = []

  send(message: unknown): boolean {
    this.sent.push(message)
    return true
  }
}

test('what is sent to a worker waits until it greets, and keeps its order', async () => {
  const channel = new TestChannel()
  const link = openWorkerLink(channel)
  link.send('control', 1)
  await new Promise(setImmediate)
  link.send('limits', 2)
  await new Promise(setImmediate)
  assert.equal(channel.sent, [])
  channel.emit('message', { thinwire: [] })
  assert.equal(channel.sent, [{ thinwire: ['control', 1, 'limits', 2] }])
  link.send('control', 3)
  await until(() => channel.sent.length === 2, 'the next one')
})

test('a link closes once when its process has ended, though the channel does not say so', async () => {
  const channel = new TestChannel()
  const link = openLink(channel)
  const got: unknown[] = []
  let closed = 0
  link.receive('limits', (value) => got.push(value))
  link.onClose(() => closed++)
  channel.emit('exit')
  channel.emit('message', { thinwire: ['limits', 'last'] })
  await until(() => closed === 1, 'the close')
  channel.emit('disconnect')
  assert.is(closed, 1)
  assert.equal(got, ['last'])
})

test.run()
