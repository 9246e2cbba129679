import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fc } from '../../support/property.js'
import { type Scene, withRelay } from '../../support/scene.js'
import { gate, until, wait } from '../../support/until.js'
import { CHUNKED, chunk, head, LAST_CHUNK, type Received, SSE } from '../../support/upstream.js'

function event(type: string, fields: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`
}

const RESPONSE = { id: 'resp_1', created_at: 1_750_000_000, model: 'm-1' }
const BEGIN = event('response.created', { response: RESPONSE })
const END = event('response.completed', { response: { ...RESPONSE, status: 'completed', output: [] } })

function delta(text: string): string {
  return event('response.output_text.delta', { item_id: 'msg_1', output_index: 0, delta: text })
}

const TEXTS = ['Hel', 'lo ', 'na\u00efve "w\u00f6rld"']
const EVENTS = [BEGIN, ...TEXTS.map(delta), END]

/** @param lines further header lines */
function ask(scene: Scene, lines = '', user = 'one'): string {
  const body = JSON.stringify({ model: 'm', stream: true, user, input: [{ role: 'user', content: 'hi' }] })
  return `POST /cursor/v1/chat/completions HTTP/1.1\r\n${scene.auth}${lines}content-length: ${body.length}\r\n\r\n${body}`
}

/** What the chunks of a chat say, and how they end. */
function textOf(body: Buffer): string {
  const events = body.toString().split('\n\n').slice(0, -1)
  assert.is(events.at(-1), 'data: [DONE]')
  const chunks = events.slice(0, -1).map((each) => JSON.parse(each.slice('data: '.length)))
  assert.is(chunks.at(-1).choices[0].finish_reason, 'stop')
  return chunks.map(({ choices }) => choices[0].delta.content ?? '').join('')
}

/** Writes each piece by itself and waits, so that the relay reads it before the next one. */
async function send(request: Received, ...pieces: (string | Buffer)[]): Promise<void> {
  for (const piece of pieces) {
    await request.write(piece)
    await wait(4)
  }
}

const HEAD = head('200 OK', SSE, CHUNKED)
const FRAMED = Buffer.concat(EVENTS.map(chunk))
const WHOLE = Buffer.concat([FRAMED, Buffer.from(LAST_CHUNK)])
const ALL = EVENTS.join('')
const LONG = 'x'.repeat(1024 * 1024)

/** A chunk whose size line has more than the size in its usual form. */
function odd(text: string, before: string, after = ''): string {
  return `${before}${Buffer.byteLength(text).toString(16)}${after}\r\n${text}\r\n`
}

/** The ways in which a body may be framed and cut, as what is written piece by piece, and its text. */
const FRAMINGS: readonly (readonly [name: string, pieces: readonly (string | Buffer)[], text?: string])[] = [
  ['all at once', [Buffer.concat([Buffer.from(HEAD), WHOLE])]],
  ['an event at a time', [HEAD, ...EVENTS.map(chunk), LAST_CHUNK]],
  ['all events in one read', [HEAD, WHOLE]],
  ['the last events with the end', [HEAD, FRAMED.subarray(0, 300), WHOLE.subarray(300)]],
  ['cut in a size line', [HEAD, WHOLE.subarray(0, 1), WHOLE.subarray(1)]],
  [
    'cut in the size line behind the head',
    [Buffer.concat([Buffer.from(HEAD), WHOLE.subarray(0, 1)]), WHOLE.subarray(1)],
  ],
  [
    'with an extension',
    [HEAD, chunk(BEGIN), odd(TEXTS.map(delta).join(''), '', ';a="b"'), chunk(END), LAST_CHUNK],
  ],
  ['with an extension in the first read', [`${HEAD}${odd(ALL, '', ';a')}${LAST_CHUNK}`]],
  ['with a long size line', [HEAD, odd(ALL, '00000000'), LAST_CHUNK]],
  ['with trailers', [HEAD, FRAMED, '0\r\nx-checksum: abc\r\n', '\r\n']],
  ['with a chunk larger than a read', [HEAD, ...[BEGIN, delta(LONG), END].map(chunk), LAST_CHUNK], LONG],
]

for (const [name, pieces, text = TEXTS.join('')] of FRAMINGS) {
  for (const [clients, lines] of [
    ['one client', ''],
    ['a response that may be shared', 'x-thinwire-cache: on\r\n'],
  ] as const)
    test(`a translated stream is whole, and its upstream connection stays in use: ${name}, ${clients}`, () =>
      withRelay(
        (request) => send(request, ...pieces),
        async (scene) => {
          for (const user of ['one', 'two']) {
            const response = await scene.ask(ask(scene, lines, user))
            assert.ok(response.complete)
            assert.is(textOf(response.body), text)
            await wait(5)
          }
          assert.is(scene.upstream.requests.length, 2)
          assert.is(scene.upstream.connections, 1)
          for (const { end } of await scene.relay.requests(2)) assert.is(end, 'done')
        },
      ))
}

test('a translated stream says the same wherever its bytes are cut', () => {
  const cuts = fc.uniqueArray(fc.integer({ min: 1, max: WHOLE.length - 1 }), { maxLength: 12 })
  const script = async (request: Received): Promise<void> => {
    const at = [
      0,
      ...(JSON.parse(request.body.toString()).user as string).split(',').map(Number),
      WHOLE.length,
    ]
    await send(request, HEAD, ...at.slice(1).map((end, i) => WHOLE.subarray(at[i], end)))
  }
  return withRelay(script, (scene) =>
    fc.assert(
      fc.asyncProperty(cuts, async (found) => {
        const user = found.sort((a, b) => a - b).join() || '1'
        const response = await scene.ask(ask(scene, '', user))
        assert.ok(response.complete)
        assert.is(textOf(response.body), TEXTS.join(''))
      }),
      { numRuns: 40 },
    ),
  )
})

test('each event of a translated stream reaches the client before the upstream sends the next one', async () => {
  const gates = EVENTS.map(() => gate())
  const script = async (request: Received): Promise<void> => {
    await request.write(HEAD)
    for (const [i, one] of EVENTS.entries()) {
      await gates[i]?.opened
      await request.chunk(one)
    }
    await request.lastChunk()
  }
  await withRelay(script, async (scene) => {
    const client = await scene.client()
    client.send(ask(scene))
    await client.sees('\r\n\r\n')
    for (const [i, seen] of ['"role"', 'Hel', 'lo ', 'w\u00c3\u00b6rld', '[DONE]'].entries()) {
      gates[i]?.open()
      await client.sees(seen)
    }
    assert.is(textOf((await client.response()).body), TEXTS.join(''))
  })
})

test('the end of a translated stream leaves in one write with the last events', () =>
  withRelay(
    async (request) => {
      await send(request, HEAD, chunk(BEGIN), Buffer.concat([chunk(END), Buffer.from(LAST_CHUNK)]))
    },
    async (scene) => {
      const client = await scene.client()
      client.send(ask(scene))
      await client.response()
      assert.match(client.pieces.at(-1)?.toString() ?? '', /finish_reason":"stop".*\r\n0\r\n\r\n$/s)
    },
  ))

test('a chunk without its line end is a cut of a translated stream, behind what was complete', () =>
  withRelay(
    async (request) => {
      await request.write(`${HEAD}${chunk(BEGIN)}${odd(delta('Hel'), '').slice(0, -2)}xx`)
      await request.hang()
    },
    async (scene) => {
      const client = await scene.client()
      client.send(ask(scene))
      await client.closed()
      const { complete, body } = await client.response()
      assert.is(complete, false)
      assert.match(body.toString(), /"content":"Hel"/)
      assert.not.match(body.toString(), /DONE/)
      const [line] = await scene.relay.requests(1)
      assert.equal([line?.end, line?.cause], ['upstream_cut', 'HPE_STRICT'])
    },
  ))

test('a client that reads nothing makes the upstream of a translated stream wait, and gets all of it later', async () => {
  const text = 'x'.repeat(32 * 1024)
  const total = 1024
  let sent = 0
  const script = async (request: Received): Promise<void> => {
    await request.write(HEAD)
    await request.chunk(BEGIN)
    for (; sent < total; sent++) await request.chunk(delta(text))
    await request.chunk(END)
    await request.lastChunk()
  }
  await withRelay(script, async (scene) => {
    const client = await scene.client()
    client.pause()
    client.send(ask(scene))
    await until(() => sent > 0, 'the first event')
    for (let before = -1; before !== sent; await wait(150)) before = sent
    assert.ok(sent < total, 'the upstream could send all of it')
    const held = scene.relay.inspect().exchanges[0]?.unsentBytes ?? 0
    assert.ok(held <= 256 * 1024 + 2 * 65536 + 1024, `${held} bytes are held for the client`)
    client.resume()
    const response = await client.response()
    assert.is(textOf(response.body).length, total * text.length)
  })
})

test('bytes behind those that made the relay abort a translated stream are left alone', () =>
  withRelay(
    async (request) => {
      if (request.body.includes('two')) return send(request, HEAD, WHOLE)
      const long = chunk(`data: ${'x'.repeat(2_000)}`)
      await send(request, HEAD, Buffer.concat([chunk(BEGIN), long, Buffer.from(odd('x', '', ';a="b"'))]))
      await request.hang()
    },
    async (scene) => {
      const response = await scene.ask(ask(scene))
      assert.match(response.body.toString(), /answer_too_long/)
      await (await scene.upstream.request(0)).ended()
      assert.is((await scene.relay.requests(1))[0]?.end, 'upstream_failed')
      assert.is(textOf((await scene.ask(ask(scene, '', 'two'))).body), TEXTS.join(''))
    },
    { limits: { transformBufferBytes: 1_024 } },
  ))

test.run()
