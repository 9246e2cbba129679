import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { EMPTY_OK, Recorder, Scene, turns } from './scene.js'

const HEAD = 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n'
const LAST = 'HTTP/1.1 200 OK\r\n\r\n'

/** What a connection can be at, and the request that it has then. */
const STATES: Record<string, (scene: Scene) => Promise<Recorder | null>> = {
  'that is not open yet': async (scene) => {
    scene.holdsConnect = true
    return scene.ask()
  },
  'whose request waits for its turn': async (scene) => {
    await scene.use()
    return scene.ask()
  },
  'that waits for a response': async (scene) => {
    const handler = scene.ask()
    await turns(3)
    return handler
  },
  'that waits for the rest of a head': async (scene) => {
    const handler = scene.ask()
    await turns(3)
    await scene.answer('HTTP/1.1 2')
    return handler
  },
  'that reads a body': async (scene) => {
    const handler = scene.ask()
    await turns(3)
    await scene.answer(`${HEAD}hello`)
    return handler
  },
  'that is paused': async (scene) => {
    const handler = new Recorder()
    handler.act = (name) => name !== 'onData'
    scene.ask({}, handler)
    await turns(3)
    await scene.answer(`${HEAD}hello`)
    return handler
  },
  'that is paused at the end': async (scene) => {
    const handler = new Recorder()
    handler.act = (name) => name !== 'onData'
    scene.ask({}, handler)
    await turns(3)
    await scene.answer(`${HEAD}hellohello`)
    return handler
  },
  'without a request': async (scene) => {
    await scene.use()
    return null
  },
}

const destroyed = suite('a connection that is destroyed')

for (const [name, reach] of Object.entries(STATES))
  destroyed(`${name} fails its request and is closed`, async () => {
    const scene = new Scene()
    const handler = await reach(scene)
    await scene.connection.destroy()
    scene.open()
    await scene.settle()
    if (handler !== null) {
      assert.is(handler.end, 'UND_ERR_DESTROYED')
      assert.is(handler.told.filter((one) => one === 'onError').length, 1)
    }
    assert.not(scene.connection.isUsed)
    assert.not(scene.connection.isOpen)
    for (const socket of scene.sockets) assert.ok(socket.destroyed)
    assert.is(scene.told.at(-1), 'closed')
    assert.is(scene.told.filter((one) => one === 'closed').length, 1)
    handler?.resume()
    handler?.abort()
    assert.not(handler?.told.includes('onComplete'))
  })

destroyed.run()

const closed = suite('a connection that is closed')

for (const [name, reach] of Object.entries(STATES))
  closed(`${name} serves its request first`, async () => {
    const scene = new Scene()
    const handler = await reach(scene)
    let isClosed = false
    const done = scene.connection.close().then(() => {
      isClosed = true
    })
    await turns(2)
    assert.is(isClosed, handler === null)
    scene.open()
    if (handler !== null) {
      handler.act = () => undefined
      handler.resume()
      if (handler.end === '') {
        await turns(3)
        const rest: Record<string, string> = { '0': EMPTY_OK, '200': 'hello' }
        await scene.answer(
          name.includes('rest of a head') ? EMPTY_OK.slice(10) : (rest[handler.status] ?? ''),
        )
      }
      assert.is(handler.end, 'complete')
    }
    await done
    await turns(2)
    assert.ok(scene.socket.destroyed)
    assert.is(scene.told.at(-1), handler === null ? undefined : 'closed')
    assert.not(scene.told.includes('free'))
  })

closed.run()

const aborted = suite('a request that is aborted')

for (const name of ['onConnect', 'onHeaders', 'onData'])
  aborted(`in ${name} fails once, and its connection is closed`, async () => {
    const scene = new Scene()
    await scene.use()
    const before = scene.socket.text
    const handler = new Recorder()
    handler.act = (called) => {
      if (called === name) {
        handler.abort(Object.assign(new Error('enough'), { code: 'ENOUGH' }))
        assert.is(handler.told.at(-1), 'onError')
        handler.abort()
      }
      return undefined
    }
    scene.ask({}, handler)
    await turns(2)
    if (name === 'onConnect') assert.is(scene.socket.text, before)
    await scene.answer(`${HEAD}hellohello${EMPTY_OK}`)
    assert.equal(handler.told.slice(-2), [name, 'onError'])
    assert.is(handler.end, 'ENOUGH')
    assert.equal(scene.told, ['closed'])
    assert.ok(scene.socket.destroyed)
  })

aborted('when its response is over does nothing to the next one', async () => {
  const scene = new Scene()
  const first = scene.ask()
  await turns(3)
  await scene.answer(EMPTY_OK)
  const second = scene.ask()
  await turns(2)
  first.abort()
  first.resume()
  await scene.answer(EMPTY_OK)
  assert.is(first.end, 'complete')
  assert.is(second.end, 'complete')
})

aborted.run()

const thrown = suite('a handler that throws')

for (const name of ['onConnect', 'onHeaders', 'onData'])
  thrown(`in ${name} gets its error, and the connection is closed`, async () => {
    const scene = new Scene()
    await scene.use()
    const handler = new Recorder()
    handler.act = (called) => {
      if (called === name) throw Object.assign(new Error('a fault'), { code: 'FAULT' })
      return undefined
    }
    scene.ask({}, handler)
    await turns(2)
    await scene.answer(`${HEAD}hellohello`)
    assert.equal(handler.told.slice(-2), [name, 'onError'])
    assert.is(handler.end, 'FAULT')
    assert.equal(scene.told, ['closed'])
    assert.ok(scene.socket.destroyed)
  })

thrown('in onComplete gets its error, and the connection is kept', async () => {
  const scene = new Scene()
  await scene.use()
  const handler = new Recorder()
  handler.act = (called) => {
    if (called === 'onComplete') throw Object.assign(new Error('a fault'), { code: 'FAULT' })
    return undefined
  }
  scene.ask({}, handler)
  await turns(2)
  await scene.answer(EMPTY_OK)
  assert.equal(handler.told.slice(-2), ['onComplete', 'onError'])
  assert.equal(scene.told, ['free'])
  await scene.use()
})

for (const lose of ['abort', 'destroy'] as const)
  thrown(`in onError, for ${lose}, leaves no connection behind`, async () => {
    const scene = new Scene()
    const handler = new Recorder()
    handler.act = (called) => {
      if (called === 'onError') throw new Error('a fault')
      return undefined
    }
    scene.ask({}, handler)
    await turns(3)
    assert.throws(() => (lose === 'abort' ? handler.abort() : scene.connection.destroy()), 'a fault')
    assert.is(scene.told.at(-1), 'closed')
    assert.ok(scene.socket.destroyed)
    assert.not(scene.connection.isUsed)
  })

thrown.run()

const paused = suite('a handler that is paused')

/** Pauses at the head and at each piece. */
async function pause(text: string): Promise<{ scene: Scene; handler: Recorder }> {
  const scene = new Scene()
  const handler = new Recorder()
  handler.act = (name) => name !== 'onHeaders' && name !== 'onData'
  scene.ask({}, handler)
  await turns(3)
  await scene.answer(text)
  return { scene, handler }
}

/** Hands data over in the same turn, although nobody wants it: TLS does so with records that it has decrypted. */
function push(scene: Scene, text: string | null): boolean {
  return scene.socket.push(text === null ? null : Buffer.from(text))
}

paused(
  'gets data that comes all the same in its order, and one piece for each time that it reads on',
  async () => {
    const { scene, handler } = await pause(`${HEAD}he`)
    assert.not(push(scene, 'll'))
    assert.not(push(scene, 'oh'))
    assert.is(handler.body, '')
    handler.resume()
    assert.is(handler.body, 'hello'.concat('h'))
    assert.not(push(scene, 'ello'))
    assert.is(handler.body, 'helloh')
    assert.is(handler.end, '')
    handler.resume()
    assert.is(handler.body, 'hellohello')
    assert.is(handler.end, '')
    handler.resume()
    assert.is(handler.end, 'complete')
    assert.equal(scene.told, ['free'])
  },
)

paused('gets chunks one by one', async () => {
  const { handler } = await pause(
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n',
  )
  const seen: string[] = []
  for (let i = 0; i < 4; i++) {
    handler.resume()
    seen.push(`${handler.body} ${handler.end}`)
  }
  assert.equal(seen, ['a ', 'ab ', 'ab complete', 'ab complete'])
})

paused('reads no further when it is resumed twice', async () => {
  const { handler, scene } = await pause(`${HEAD}hello`)
  handler.resume()
  handler.resume()
  handler.resume()
  assert.is(handler.body, 'hello')
  await scene.answer('hello')
  handler.resume()
  assert.is(handler.end, 'complete')
})

const ENDS: Record<string, [string, string, string]> = {
  'behind a complete response': [`${HEAD}hellohello`, 'hellohello', 'complete'],
  'behind a part of a response': [`${HEAD}hello`, 'hello', 'UND_ERR_SOCKET'],
  'that is the end of a response': [`${LAST}hello`, 'hello', 'complete'],
}

for (const [name, [text, body, end]] of Object.entries(ENDS))
  paused(`hears of an end ${name} when it has read all, and the connection is not kept`, async () => {
    const { scene, handler } = await pause(text)
    push(scene, null)
    assert.is(handler.end, '')
    handler.resume()
    handler.resume()
    assert.is(handler.body, body)
    assert.is(handler.end, end)
    assert.is(scene.told.at(-1), 'closed')
    assert.not(scene.told.includes('free'))
    assert.ok(scene.socket.destroyed)
  })

paused('whose response has something behind it, closes the connection', async () => {
  const { scene, handler } = await pause(`${HEAD}hellohello`)
  push(scene, EMPTY_OK)
  handler.resume()
  handler.resume()
  assert.is(handler.end, 'complete')
  assert.equal(scene.told, ['closed'])
})

paused('hears of a reset at once', async () => {
  const { scene, handler } = await pause(`${LAST}hello`)
  scene.socket.destroy(Object.assign(new Error('reset'), { code: 'ECONNRESET' }))
  await turns(2)
  assert.is(handler.end, 'UPSTREAM_RESET')
  handler.resume()
  assert.is(handler.body, '')
})

paused.run()
