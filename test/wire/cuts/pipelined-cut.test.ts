import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { OpenExchange } from '../../../src/app/inspect.js'
import { type Scene, withRelay } from '../../support/scene.js'
import { gate, until } from '../../support/until.js'
import { CHUNKED, head, type Received, SSE, whole } from '../../support/upstream.js'

/** One way in which a response ends before it is complete. */
interface Cut {
  readonly name: string
  /** Sends the head and the first bytes of the upstream's response. */
  readonly begins?: (request: Received) => Promise<void>
  /** Breaks the response off. */
  readonly breaks: (scene: Scene, request: Received, x: OpenExchange) => unknown
  readonly end: string
  /** The whole request; a plain GET by default. */
  readonly request?: (scene: Scene) => string
  readonly settings?: Record<string, unknown>
  /** False if the client gets none of the response. */
  readonly delivered?: false
}

const FIRST_EVENT = 'data: {"choices":[{"text":"one"}]}\n\n'
const PROMPT = '{"model":"m","prompt":"a","stream":true}'
const SESSION = 'x-thinwire-session: s1\r\n'

const beginStream = async (request: Received): Promise<void> => {
  await request.write(head('200 OK', SSE, CHUNKED))
  await request.chunk(FIRST_EVENT)
}

function post(scene: Scene, path: string, body: string): string {
  return `POST ${path} HTTP/1.1\r\n${scene.auth}${SESSION}content-length: ${body.length}\r\n\r\n${body}`
}

const completion = (scene: Scene): string => post(scene, '/v1/completions', PROMPT)

const CUTS: Cut[] = [
  {
    name: 'whose upstream ends without the last chunk',
    breaks: (_scene, request) => request.end(),
    end: 'upstream_cut',
  },
  { name: 'whose upstream resets', breaks: (_scene, request) => request.reset(), end: 'upstream_cut' },
  {
    name: 'whose upstream sends a broken chunk',
    breaks: (_scene, request) => request.write('zzz\r\n'),
    end: 'upstream_cut',
  },
  {
    name: 'whose upstream sends less than its content-length',
    begins: async (request) => {
      await request.write(head('200 OK', SSE, 'content-length: 1000'))
      await request.write(FIRST_EVENT)
    },
    breaks: (_scene, request) => request.end(),
    end: 'upstream_cut',
  },
  {
    name: 'whose upstream falls silent',
    breaks: () => {},
    end: 'upstream_idle',
    settings: { timeouts: { idleMs: 60 } },
  },
  {
    name: 'that is shared and whose upstream resets',
    request: completion,
    breaks: (_scene, request) => request.reset(),
    end: 'upstream_cut',
  },
  {
    name: 'that a newer request replaces',
    request: completion,
    breaks: async (scene) =>
      (await scene.client()).send(post(scene, '/v1/completions', PROMPT.replace('a', 'b'))),
    end: 'superseded',
    settings: { cache: { supersede: true } },
  },
  {
    name: 'that is translated and whose upstream resets',
    request: (scene) => post(scene, '/cursor/chat/completions', '{"model":"m","input":"hi","stream":true}'),
    begins: async (request) => {
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.chunk(
        'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":1,' +
          '"item_id":"i","output_index":0,"content_index":0,"delta":"one"}\n\n',
      )
    },
    breaks: (_scene, request) => request.reset(),
    end: 'upstream_cut',
  },
  {
    name: 'that meets a fault of the relay',
    breaks: (_scene, _request, x) => {
      Object.assign(x.stage as object, {
        onTick: () => {
          throw new Error('a fault')
        },
      })
    },
    end: 'crashed',
    delivered: false,
  },
]

/** Each of these is served while the first one waits. */
const PIPELINED = { limits: { unansweredRequestsPerConnection: 3 } }

const exchangeOf = (scene: Scene, mark: string): OpenExchange | undefined =>
  scene.relay.inspect().exchanges.find((each) => each.header('x-mark') === mark)

/** Adds a header by which the request is found. */
const marked = (request: string, mark: string): string => request.replace('\r\n', `\r\nX-Mark: ${mark}\r\n`)

for (const { name, begins, breaks, end, request, settings, delivered } of CUTS) {
  test(`a response ${name} while it waits for its turn is broken off when its turn comes`, () => {
    const first = gate()
    return withRelay(
      async (received) => {
        if (received.header('x-mark') === 'second') return (begins ?? beginStream)(received)
        if (received.header('x-mark') !== 'first') return
        await first.opened
        await received.write(whole('200 OK', 'first'))
      },
      async (scene) => {
        const client = await scene.client()
        const get = `GET /v1/x HTTP/1.1\r\n${scene.auth}\r\n`
        client.send(marked(get, 'first'))
        client.send(marked(request?.(scene) ?? get, 'second'))
        client.send(marked(get, 'third'))
        await until(() => exchangeOf(scene, 'second')?.hasSentHead === true, 'the head of the second')
        await until(() => exchangeOf(scene, 'third') !== undefined, 'the third')
        const second = exchangeOf(scene, 'second') as OpenExchange
        await until(() => second.bytesOut > 0, 'the beginning of its body')
        const received = scene.upstream.requests.find(
          (each) => each.header('x-mark') === 'second',
        ) as Received
        await breaks(scene, received, second)
        await until(() => second.end !== null, 'the cut')
        assert.is(client.text, '')

        first.open()
        assert.is((await client.response(0)).body.toString(), 'first')
        await client.closed()
        await until(
          () => client.text.includes('HTTP/1.1') && exchangeOf(scene, 'second') === undefined,
          'the second to be over',
        )
        assert.is(second.end, end)
        if (delivered === false) assert.is((await client.response(0)).rest.length, 0)
        else {
          const response = await client.response(1)
          assert.is(response.status, 200)
          assert.not(response.complete)
          assert.match(response.body.toString(), 'one')
          assert.is(response.rest.length, 0)
        }
        await until(() => exchangeOf(scene, 'third') === undefined, 'the third to be over')
      },
      { ...PIPELINED, ...settings },
    )
  })
}

test('an HTTP/1.0 client gets nothing of a pipelined response that breaks off before its turn', () => {
  const first = gate()
  return withRelay(
    async (received) => {
      if (received.header('x-mark') === 'second') return beginStream(received)
      await first.opened
      await received.write(whole('200 OK', 'first'))
    },
    async (scene) => {
      const client = await scene.client()
      const get = `GET /v1/x HTTP/1.0\r\n${scene.auth}connection: keep-alive\r\n\r\n`
      client.send(`${marked(get, 'first')}${marked(get, 'second')}`)
      await until(() => (exchangeOf(scene, 'second')?.bytesOut ?? 0) > 0, 'the beginning of the second')
      const second = exchangeOf(scene, 'second') as OpenExchange
      scene.upstream.requests.find((each) => each.header('x-mark') === 'second')?.reset()
      await until(() => second.end !== null, 'the cut')
      first.open()
      await client.closed()
      const response = await client.response(0)
      assert.is(response.body.toString(), 'first')
      assert.is(response.rest.length, 0)
    },
    PIPELINED,
  )
})

test.run()
