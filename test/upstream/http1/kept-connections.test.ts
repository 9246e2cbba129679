import { queryObjects } from 'node:v8'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { randomFrom, SEED } from '../../support/random.js'
import { EMPTY_OK, Recorder, Scene, turns } from './scene.js'
import { WireMaker } from './wires.js'

const idle = suite('a connection without a request')

idle('is closed by data that nobody has asked for', async () => {
  const scene = new Scene()
  await scene.use()
  await scene.answer('HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n')
  assert.equal(scene.told, ['closed'])
  assert.not(scene.connection.isOpen)
  assert.ok(scene.socket.destroyed)
})

for (const how of ['fin', 'reset'] as const)
  idle(`is closed by a ${how}`, async () => {
    const scene = new Scene()
    await scene.use()
    scene.socket.close(how)
    await scene.settle()
    assert.equal(scene.told, ['closed'])
    assert.ok(scene.socket.destroyed)
  })

idle.run()

const waits = suite('a request that waits for the end of its turn')

const LOSSES: Record<string, [(scene: Scene) => void, string]> = {
  'data that nobody has asked for': [(scene) => scene.socket.send(EMPTY_OK), 'UND_ERR_SOCKET'],
  'an end': [(scene) => scene.socket.close('fin'), 'UND_ERR_SOCKET'],
  'a reset': [(scene) => scene.socket.close('reset'), 'UPSTREAM_RESET'],
}

for (const [name, [lose, code]] of Object.entries(LOSSES))
  waits(`is not written, and may be sent again, if its connection has met ${name}`, async () => {
    const scene = new Scene()
    await scene.use()
    const before = scene.socket.text
    lose(scene)
    const handler = scene.ask()
    scene.socket.step()
    await turns(3)
    assert.equal(handler.told, ['onError'])
    assert.is(handler.end, code)
    assert.ok(handler.wasReused(false))
    assert.is(scene.socket.text, before)
    assert.equal(scene.told, [`lost ${code}`, 'closed'])
  })

for (const [name, [lose, code]] of Object.entries(LOSSES).slice(1))
  waits(`and that is written, may be sent again after ${name} without a word`, async () => {
    const scene = new Scene()
    await scene.use()
    const handler = scene.ask()
    await turns(2)
    assert.equal(handler.told, ['onConnect'])
    lose(scene)
    await scene.settle()
    assert.is(handler.end, code)
    assert.ok(handler.wasReused(true))
  })

waits('fails as any other if a byte of its response has come', async () => {
  const scene = new Scene()
  await scene.use()
  const handler = scene.ask()
  await turns(2)
  scene.socket.close('reset')
  await scene.answer('H')
  assert.is(handler.end, 'UPSTREAM_RESET')
  assert.not(handler.wasReused(true))
})

waits.run()

const hints = suite('how long a connection is kept')

const KEPT: Record<string, number | null> = {
  '': 60_000,
  'keep-alive: timeout=5\r\n': 4_000,
  'keep-alive: max=3, timeout=5\r\n': 4_000,
  'keep-alive: timeout=999999\r\n': 600_000,
  'keep-alive: timeout=99999999999999999999999\r\n': 600_000,
  'keep-alive: timeout=1\r\n': null,
  'keep-alive: timeout=0\r\n': null,
  'connection: close\r\n': null,
}

for (const [line, ms] of Object.entries(KEPT))
  hints(`follows from ${line === '' ? 'our own setting' : line.trim()}`, async () => {
    const scene = new Scene()
    scene.ask()
    await turns(3)
    const before = performance.now()
    await scene.answer(`HTTP/1.1 200 OK\r\n${line}content-length: 0\r\n\r\n`)
    const after = performance.now()
    assert.equal(scene.told, [ms === null ? 'closed' : 'free'])
    const { idleUntil } = scene.connection
    if (ms !== null) assert.ok(idleUntil >= before + ms && idleUntil <= after + ms)
  })

hints('a hint holds until the next response', async () => {
  const scene = new Scene()
  scene.ask()
  await turns(3)
  await scene.answer('HTTP/1.1 200 OK\r\nkeep-alive: timeout=5\r\ncontent-length: 0\r\n\r\n')
  await scene.use()
  assert.ok(scene.connection.idleUntil > performance.now() + 10_000)
})

hints.run()

const next = suite('a connection that is kept')

next('reads the next response as if it were the first, whatever the one before was', async () => {
  const maker = new WireMaker(randomFrom(SEED))
  let kept = 0
  for (let i = 0; i < 4_000; i++) {
    const { method, text, cuts } = maker.make()
    const scene = new Scene()
    const handler = new Recorder()
    // A pause at each second piece.
    handler.act = (name) => (name === 'onData' && i % 3 === 0 ? handler.told.length % 2 === 0 : undefined)
    scene.ask({ method, reset: false }, handler)
    await turns(2)
    for (const [n, end] of [...cuts, text.length].entries())
      scene.socket.send(text.slice(cuts[n - 1] ?? 0, end))
    while (scene.socket.step()) handler.resume()
    if (scene.told.at(-1) !== 'free') {
      void scene.connection.destroy()
      continue
    }
    kept++
    const second = scene.ask()
    await turns(1)
    scene.socket.send('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnext')
    while (scene.socket.step());
    assert.equal([second.status, second.body, second.end], [200, 'next', 'complete'], JSON.stringify(text))
    void scene.connection.destroy()
  }
  assert.ok(kept > 300, String(kept))
})

next.run()

const many = suite('ten thousand requests on one connection')

many('leave nothing behind', async () => {
  const scene = new Scene()
  await scene.use()
  const events = (): number[] =>
    scene.socket.eventNames().map((name) => scene.socket.listenerCount(name as string))
  const before = events()
  for (let i = 0; i < 10_000; i++) {
    scene.ask({ method: 'POST', body: Buffer.from('{}') })
    await turns(1)
    scene.socket.send(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`)
    scene.socket.step()
    scene.socket.written.length = 0
    assert.is(scene.told.pop(), 'free')
  }
  assert.is(scene.sockets.length, 1)
  assert.equal(events(), before)
  await turns(2)
  assert.ok(Number(queryObjects(Recorder, { format: 'count' })) < 20)
})

many.run()
