import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Upload } from '../../../src/relay/upload.js'
import { EMPTY_OK, type Recorder, Scene, turns } from './scene.js'

const HEAD = 'POST / HTTP/1.1\r\nhost: upstream.test\r\nconnection: keep-alive\r\n'

interface Begun {
  readonly scene: Scene
  readonly upload: Upload
  readonly handler: Recorder
}

/** Begins to send a body of so many bytes on a new connection. */
async function begin(length: number | null, ...pieces: string[]): Promise<Begun> {
  const scene = new Scene()
  const upload = new Upload(pieces.map((piece) => Buffer.from(piece)))
  const headers = length === null ? [] : ['content-length', String(length)]
  const handler = scene.ask({ method: 'POST', headers, body: upload })
  await turns(3)
  return { scene, upload, handler }
}

function drains({ scene }: Begun): number {
  return scene.socket.listenerCount('drain')
}

const test = suite('a body that is sent while it arrives')

test('is written behind its head as it arrives, and the connection is kept', async () => {
  const begun = await begin(10, 'hello')
  const { scene, upload, handler } = begun
  assert.is(scene.socket.text, `${HEAD}content-length: 10\r\n\r\nhello`)
  upload.push(Buffer.from('hello'))
  upload.end()
  await turns(2)
  assert.is(scene.socket.text, `${HEAD}content-length: 10\r\n\r\nhellohello`)
  await scene.answer(EMPTY_OK)
  assert.is(handler.end, 'complete')
  assert.equal(scene.told, ['free'])
  assert.is(drains(begun), 0)
})

test('without a byte has the length 0', async () => {
  const { scene, upload, handler } = await begin(0)
  assert.is(scene.socket.text, '')
  upload.end()
  await scene.answer(EMPTY_OK)
  assert.is(scene.socket.text, `${HEAD}content-length: 0\r\n\r\n`)
  assert.is(handler.end, 'complete')
})

const FAULTS: Record<string, (begun: Begun) => void> = {
  'is longer than its length': ({ upload }) => upload.push(Buffer.from('hello!')),
  'is shorter than its length': ({ upload }) => {
    upload.push(Buffer.from('hell'))
    upload.end()
  },
  'ends where it should go on': ({ upload }) => upload.end(),
}

for (const [name, act] of Object.entries(FAULTS))
  test(`fails if it ${name}, and no other request follows it`, async () => {
    const begun = await begin(10, 'hello')
    const { scene, handler } = begun
    act(begun)
    await turns(2)
    assert.is(handler.end, 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH')
    assert.ok(scene.socket.text.length <= `${HEAD}content-length: 10\r\n\r\n`.length + 10)
    assert.ok(scene.socket.destroyed)
    assert.equal(scene.told, ['closed'])
    assert.is(drains(begun), 0)
  })

test('fails at its first byte if it has no length', async () => {
  const { scene, handler } = await begin(null, 'a')
  assert.is(handler.end, 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH')
  assert.is(scene.socket.text, '')
  assert.ok(scene.socket.destroyed)
})

test('fails at once if what there is of it is too long', async () => {
  const { scene, handler } = await begin(3, 'hello')
  assert.equal(handler.told, ['onConnect', 'onError'])
  assert.is(scene.socket.text, '')
  assert.equal(scene.told, ['closed'])
})

test('that is answered before its end ends the connection', async () => {
  const begun = await begin(10, 'hello')
  const { scene, upload, handler } = begun
  const { text } = scene.socket
  await scene.answer(EMPTY_OK)
  assert.is(handler.end, 'complete')
  assert.equal(scene.told, ['closed'])
  upload.push(Buffer.from('hello'))
  upload.end()
  await turns(2)
  assert.is(scene.socket.text, text)
  assert.is(drains(begun), 0)
})

test('that ends between the head and the end of its response leaves the connection open', async () => {
  const { scene, upload, handler } = await begin(10, 'hello')
  await scene.answer('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe')
  upload.push(Buffer.from('hello'))
  upload.end()
  await scene.answer('llo')
  assert.is(handler.end, 'complete')
  assert.equal(scene.told, ['free'])
})

test('waits while the upstream does not read', async () => {
  const begun = await begin(300_000, 'a')
  const { scene, upload, handler } = begun
  scene.socket.block()
  for (let i = 0; i < 299; i++) {
    upload.push(Buffer.alloc(1_000, 'b'))
    await turns(1)
  }
  upload.push(Buffer.alloc(999, 'c'))
  upload.end()
  await turns(2)
  assert.ok(scene.socket.writableLength <= scene.socket.writableHighWaterMark + 1_000)
  assert.not(upload.written)
  assert.is(drains(begun), 1)
  scene.socket.unblock()
  await turns(400)
  assert.ok(upload.written)
  assert.is(scene.socket.text.split('\r\n\r\n')[1]?.length, 300_000)
  await scene.answer(EMPTY_OK)
  assert.is(handler.end, 'complete')
  assert.equal(scene.told, ['free'])
  assert.is(drains(begun), 0)
})

const ENDS: Record<string, (begun: Begun) => Promise<void>> = {
  aborted: async ({ handler }) => handler.abort(),
  destroyed: async ({ scene }) => scene.connection.destroy(),
  reset: async ({ scene }) => {
    scene.socket.close('reset')
    await scene.settle()
  },
}

for (const [name, end] of Object.entries(ENDS))
  test(`that is ${name} writes nothing more`, async () => {
    const begun = await begin(10, 'hello')
    const { scene, upload, handler } = begun
    const { text } = scene.socket
    await end(begun)
    assert.is(handler.told.at(-1), 'onError')
    upload.push(Buffer.from('hello'))
    upload.end()
    upload.resume()
    await turns(2)
    assert.is(scene.socket.text, text)
    assert.is(handler.told.filter((one) => one === 'onError').length, 1)
    assert.is(drains(begun), 0)
    assert.ok(scene.socket.destroyed)
  })

test.run()

const whole = suite('a body that is there')

whole('has its own length, whatever the headers say', async () => {
  const scene = new Scene()
  scene.ask({ method: 'POST', headers: ['content-length', '3'], body: Buffer.from('hello') })
  await turns(3)
  assert.is(scene.socket.text, `${HEAD}content-length: 5\r\n\r\nhello`)
})

whole('of a method that has none ends the connection', async () => {
  const scene = new Scene()
  scene.ask({ method: 'GET', body: Buffer.from('hello') })
  await turns(3)
  await scene.answer(EMPTY_OK)
  assert.equal(scene.told, ['closed'])
})

whole('that is large is written behind its head', async () => {
  const scene = new Scene()
  const body = Buffer.alloc(100_000, 'x')
  scene.ask({ method: 'POST', body })
  await turns(3)
  assert.is(scene.socket.text, `${HEAD}content-length: 100000\r\n\r\n${body.toString()}`)
})

whole.run()

const hosts = suite('the host of a request')

hosts('names the server to TLS, and another one gets another connection', async () => {
  const scene = new Scene('https://upstream.test:8443')
  const servername = (): string | null | undefined => scene.targets.at(-1)?.servername
  await scene.use()
  assert.is(servername(), undefined)
  const first = scene.socket
  const ask = async (...headers: string[]): Promise<void> => {
    const handler = scene.ask({ headers })
    await turns(3)
    await scene.answer(EMPTY_OK)
    assert.is(handler.end, 'complete')
  }
  await ask('host', 'other.test:8443')
  assert.ok(first.destroyed)
  assert.is(servername(), 'other.test')
  await ask('host', 'other.test:8443')
  assert.is(scene.sockets.length, 2)
  await ask('host', '127.0.0.1:8443')
  assert.is(servername(), '')
  await ask('host', '[::1]')
  assert.is(servername(), '')
  await ask()
  assert.is(servername(), undefined)
  assert.is(scene.sockets.length, 5)
  assert.equal(
    scene.sockets.map(({ destroyed }) => destroyed),
    [true, true, true, true, false],
  )
  assert.not(scene.told.includes('closed'))
})

hosts('does not matter without TLS', async () => {
  const scene = new Scene()
  await scene.use()
  scene.ask({ headers: ['host', 'other.test'] })
  await turns(3)
  assert.is(scene.sockets.length, 1)
  assert.match(scene.socket.text, /\r\nhost: other\.test\r\n/)
})

hosts.run()
