import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { revokeKey } from '../../src/access/keyring.js'
import { parseResponse, type RawClient } from '../support/client.js'
import { type PageScene, withPage } from '../support/page/scene.js'
import { gate, until, wait } from '../support/until.js'

interface Event {
  readonly id: number
  readonly now: { readonly at: number; readonly openCount: number; readonly open: readonly { key: string }[] }
}

test('operators get one message a second at most, and all the same', () =>
  withPage({ tickMs: 100 }, async (scene) => {
    const cookie = await scene.signIn()
    const [one, other] = [await look(scene, [cookie]), await look(scene, [cookie])]
    await until(() => eventsOf(one).length >= 2 && eventsOf(other).length >= 2, 'two messages for each')
    const ids = eventsOf(one).map(({ id }) => id)
    assert.equal(ids, [...new Set(ids)], 'each second comes once, however often the clock ticks')
    const [first] = eventsOf(one)
    assert.ok(first)
    assert.is(first.id, Math.floor(first.now.at / 1_000))
    assert.is(first.now.openCount, 12)
    const same = eventsOf(other).find(({ id }) => id === ids[1])
    assert.equal(same, eventsOf(one)[1])
    assert.match(one.text, /^HTTP\/1\.1 200 OK\r\n[\s\S]*content-type: text\/event-stream/)
    const seconds = scene.source.asked.filter(({ what }) => what === 'lastSecond').length
    const looks = scene.source.asked.filter(({ what }) => what === 'look').length
    assert.ok(seconds <= looks, 'a message is made once for both')
  }))

test('a page that retires takes no new connection, lets its viewers go, and its socket can be handed over before', () =>
  withPage({ tickMs: 20 }, async (scene) => {
    assert.ok((scene.page.handle?.fd ?? -1) >= 0)
    const viewer = await look(scene, [await scene.signIn()])
    scene.page.retire()
    await viewer.closed()
    assert.is(scene.page.handle, null)
    const refused = await scene.connect().then(
      () => null,
      (error: NodeJS.ErrnoException) => error.code,
    )
    assert.is(refused, 'ECONNREFUSED')
  }))

test('behind the end of a page each connection gets one more response at most, and no stream', () =>
  withPage({ tickMs: 20 }, async (scene) => {
    const cookie = await scene.signIn()
    const host = `host: 127.0.0.1:${scene.port}\r\n`
    // A connection that has sent nothing, and those with a request that is not over.
    const [fresh, other] = [await scene.connect(), await scene.connect()]
    const answered = gate()
    scene.source.answerLook = () => answered.opened
    const asked = await scene.connect()
    asked.send(`GET /api/upstreams HTTP/1.1\r\n${host}${cookie}\r\n\r\n`)
    const sending = await scene.connect()
    const body = '{"secret":"wrong"}'
    const head = `POST /api/session HTTP/1.1\r\n${host}origin: http://127.0.0.1:${scene.port}\r\n`
    sending.send(`${head}content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n{`)
    const viewer = await look(scene, [cookie])
    assert.match(viewer.text, /^connection: close\r$/im)
    await until(() => scene.source.asked.length >= 2, 'the questions')
    scene.page.retire()
    await viewer.closed()
    assert.ok(parseResponse(viewer.bytes)?.complete)
    answered.open()
    sending.send(body.slice(1))
    fresh.send(`GET /api/live HTTP/1.1\r\n${host}${cookie}\r\n\r\n`)
    other.send(`GET /api/session HTTP/1.1\r\n${host}${cookie}\r\n\r\n`)
    for (const [client, status] of [[asked, 200] as const, [sending, 401] as const]) {
      assert.is((await client.response()).status, status)
      assert.is((await client.response()).header('connection'), 'close')
      assert.is(await client.closed(), 'fin')
    }
    // Node may have closed these two before they sent something.
    for (const [client, status] of [[fresh, 503] as const, [other, 200] as const]) {
      await client.closed()
      if (client.text === '') continue
      assert.is((await client.response()).status, status)
      assert.is((await client.response()).header('connection'), 'close')
    }
  }))

test('the stream goes on when the clock is set back', () =>
  withPage({ tickMs: 20 }, async (scene) => {
    const viewer = await look(scene, [await scene.signIn()])
    await until(() => eventsOf(viewer).length >= 1, 'a message')
    const now = Date.now
    Date.now = () => now() - 3_600_000
    try {
      const [first] = eventsOf(viewer)
      await until(
        () => (eventsOf(viewer).at(-1)?.id ?? Infinity) < (first?.id ?? 0) - 3_000,
        'an earlier second',
      )
    } finally {
      Date.now = now
    }
  }))

test('nothing is gathered while nobody looks', () =>
  withPage({ tickMs: 20 }, async (scene) => {
    const cookie = await scene.signIn()
    assert.equal(scene.source.asked, [])
    const viewer = await look(scene, [cookie])
    await until(() => scene.source.asked.length >= 4, 'some looks')
    viewer.destroy()
    const ended = await look(scene, [cookie])
    ended.destroy()
    await until(() => clockIsStill(scene), 'no further look')
    const before = scene.source.asked.length
    await wait(200)
    assert.is(scene.source.asked.length, before)
  }))

test('a viewer who comes back gets what was missed', () =>
  withPage({ tickMs: 50 }, async (scene) => {
    const cookie = await scene.signIn()
    const stays = await look(scene, [cookie])
    await until(() => eventsOf(stays).length >= 3, 'three seconds')
    const [first, second] = eventsOf(stays)
    const back = await look(scene, [cookie, `last-event-id: ${first?.id}`])
    await until(() => eventsOf(back).length >= 2, 'what was missed')
    assert.equal(eventsOf(back)[0], second)
    const late = await look(scene, [cookie, 'last-event-id: 1e99'])
    await until(() => eventsOf(late).length >= 1, 'the next second')
    assert.ok((eventsOf(late)[0]?.id ?? 0) > (second?.id ?? 0))
  }))

test('a viewer who comes back after a long pause gets nothing that is old', () =>
  withPage({ tickMs: 20 }, async (scene) => {
    const cookie = await scene.signIn()
    const viewer = await look(scene, [cookie])
    await until(() => eventsOf(viewer).length >= 2, 'two seconds')
    const [first, second] = eventsOf(viewer)
    viewer.destroy()
    // Nobody looks, so nothing is made, and nothing forgotten.
    await until(() => clockIsStill(scene), 'no further look')
    const now = Date.now
    Date.now = () => now() + 3_600_000
    try {
      const back = await look(scene, [cookie, `last-event-id: ${first?.id}`])
      await until(() => eventsOf(back).length >= 1, 'the next second')
      assert.ok((eventsOf(back)[0]?.id ?? 0) > (second?.id ?? 0) + 3_000)
    } finally {
      Date.now = now
    }
  }))

test('a holder sees the own open requests alone', () =>
  withPage({ tickMs: 50 }, async (scene) => {
    const { id } = scene.one.record
    const viewer = await look(scene, [await scene.signIn(scene.one.key)])
    await until(() => eventsOf(viewer).length >= 1, 'a message')
    const [event] = eventsOf(viewer)
    assert.is(event?.now.openCount, 6)
    assert.ok(event?.now.open.every(({ key }) => key === id))
    const questions = scene.source.asked.flatMap(({ question }) => question ?? [])
    assert.ok(questions.every(({ all, keys }) => !all && keys.length === 1 && keys[0] === id))
    const filters = scene.source.asked.flatMap(({ filter }) => filter ?? [])
    assert.ok(filters.every(({ key }) => key?.length === 1 && key[0] === id))
  }))

test('a viewer who does not read is dropped, and the others go on', () =>
  withPage({ tickMs: 5 }, async (scene) => {
    // A message is as long as it can be, so that the system takes only some of them.
    const text = 'x'.repeat(400_000)
    const { sums } = scene.source
    let at = Date.now()
    const lastSecond = (): never => {
      at += 1_000
      return { at, text } as never
    }
    Object.assign(sums, { lastSecond })
    const cookie = await scene.signIn()
    const slow = await look(scene, [cookie])
    slow.pause()
    const reader = await look(scene, [cookie])
    let seen = 0
    reader.socket.removeAllListeners('data')
    reader.socket.on('data', (piece: Buffer) => {
      seen += piece.length
    })
    // More than the system takes for the slow one (6 MB at most), and than may wait.
    await until(() => seen > 20_000_000, 'the other to go on')
    slow.resume()
    await slow.closed()
    assert.not(parseResponse(slow.bytes)?.complete, 'it was cut, and does not look like an end')
    const before = seen
    await until(() => seen > before + 1_000_000, 'the other to go on')
  }))

test('viewers are bounded: of one session, of holders, and of all', () =>
  withPage({}, async (scene) => {
    const operator = await scene.signIn()
    for (let i = 0; i < 4; i++) await look(scene, [operator])
    const fifth = await scene.ask('GET', '/api/live', [operator])
    assert.is(fifth.status, 503)
    assert.match(fifth.body.toString(), 'too_many_viewers')
    for (let i = 0; i < 4; i++) {
      const holder = await scene.signIn(scene.one.key)
      for (let n = 0; n < 4; n++) await look(scene, [holder])
    }
    assert.is((await scene.ask('GET', '/api/live', [await scene.signIn(scene.other.key)])).status, 503)
    for (let i = 0; i < 3; i++) {
      const other = await scene.signIn()
      for (let n = 0; n < 4; n++) await look(scene, [other])
    }
    assert.is((await scene.ask('GET', '/api/live', [await scene.signIn()])).status, 503)
  }))

test('a stream ends with the session: the key is revoked, or the token changes', () =>
  withPage({ tickMs: 20 }, async (scene) => {
    const holder = await look(scene, [await scene.signIn(scene.one.key)])
    const operator = await look(scene, [await scene.signIn()])
    revokeKey(scene.keyFile, scene.one.record.id)
    scene.source.keys?.reload()
    await until(() => isOver(holder), 'the end of the stream of the holder')
    assert.not(isOver(operator))
    scene.page.reconfigure({ token: 'another-token-0123456789', hosts: [] })
    await until(() => isOver(operator), 'the end of the stream of the operator')
  }))

test('streams end when the relay does', () =>
  withPage({}, async (scene) => {
    const viewer = await look(scene, [await scene.signIn()])
    scene.page.close()
    await viewer.closed()
  }))

test('a worker that does not answer holds nothing up but the next message', () =>
  withPage({ tickMs: 20 }, async (scene) => {
    const answered = gate()
    scene.source.answerLook = () => answered.opened
    const viewer = await look(scene, [await scene.signIn()])
    await until(() => scene.source.asked.length >= 1, 'a look')
    assert.is((await scene.ask('GET', '/api/session', [await scene.signIn()])).status, 200)
    assert.is(scene.source.asked.filter(({ what }) => what === 'look').length, 1)
    answered.open()
    await until(() => eventsOf(viewer).length >= 1, 'a message')
  }))

test('a look that fails is no end of the stream', () =>
  withPage({ tickMs: 20 }, async (scene) => {
    let failures = 0
    scene.source.answerLook = async () => {
      if (failures++ < 3) throw new Error('no')
    }
    const viewer = await look(scene, [await scene.signIn()])
    await until(() => eventsOf(viewer).length >= 1, 'a message')
  }))

async function look(scene: PageScene, headers: readonly string[]): Promise<RawClient> {
  const client = await scene.connect()
  const lines = ['GET /api/live HTTP/1.1', `host: 127.0.0.1:${scene.port}`, ...headers]
  client.send(`${lines.join('\r\n')}\r\n\r\n`)
  await client.sees('retry: 2000')
  return client
}

function bodyOf(client: RawClient): string {
  return parseResponse(client.bytes)?.body.toString() ?? ''
}

function eventsOf(client: RawClient): Event[] {
  return bodyOf(client)
    .split('\n\n')
    .slice(0, -1)
    .flatMap((text) => {
      const [, id, data] = /^id: (\d+)\nevent: now\ndata: (.*)$/.exec(text) ?? []
      return data === undefined ? [] : [{ id: Number(id), now: JSON.parse(data) as Event['now'] }]
    })
}

function isOver(client: RawClient): boolean {
  return parseResponse(client.bytes)?.complete === true || client.ending !== null
}

let seenLooks = -1

/** Whether nothing was asked since the last call. */
function clockIsStill({ source }: PageScene): boolean {
  const isStill = source.asked.length === seenLooks
  seenLooks = source.asked.length
  return isStill
}

test.run()
