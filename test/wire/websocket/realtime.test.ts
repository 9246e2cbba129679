import { connect } from 'node:net'
import OpenAI from 'openai'
import { OpenAIRealtimeWS } from 'openai/realtime/ws'
import { ResponsesWS } from 'openai/resources/responses/ws'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { until } from '../../support/until.js'
import { answer, create, SocketUpstream, withSockets } from './sockets.js'

const REALTIME_USAGE = {
  total_tokens: 253,
  input_tokens: 132,
  output_tokens: 121,
  input_token_details: { text_tokens: 119, audio_tokens: 13, image_tokens: 0, cached_tokens: 64 },
  output_token_details: { text_tokens: 30, audio_tokens: 91 },
}

const SESSION = {
  type: 'session.created',
  session: {
    model: 'gpt-realtime-2026',
    audio: { input: { transcription: { model: 'whisper-x' } } },
  },
}

/** A spoken answer, as the Realtime API sends it. */
function spoken(id: string, status = 'completed'): object[] {
  return [
    { type: 'response.created', event_id: 'e1', response: { id, status: 'in_progress', usage: null } },
    { type: 'response.output_audio.delta', response_id: id, delta: 'AAAA'.repeat(500) },
    { type: 'response.output_audio_transcript.delta', response_id: id, delta: 'Hi' },
    { type: 'response.done', response: { id, status, usage: REALTIME_USAGE } },
  ]
}

test('each response of a Realtime session is a record with its parts of audio and its cached tokens', () =>
  withSockets(async ({ up, open, responses, connections }) => {
    const client = open('/v1/realtime?model=gpt-realtime')
    const { peer } = await up.connection(0)
    peer.send(SESSION)
    await client.event(0)
    client.send({ type: 'response.create', event_id: 'c1' })
    await peer.event(0)
    peer.send(...spoken('r1'))
    // Speech is answered although nobody asks.
    peer.send(...spoken('r2', 'cancelled'))
    await client.event(8)
    client.socket.close(1000)
    const records = await responses(2)
    for (const record of records) {
      assert.is(record.model, 'gpt-realtime')
      assert.is(record.upstream_model, 'gpt-realtime-2026')
      assert.is(record.request_class, 'realtime')
      assert.equal(
        [record.prompt_tokens, record.cached_tokens, record.completion_tokens, record.audio_prompt_tokens],
        [132, 64, 121, 13],
      )
      assert.is(record.audio_completion_tokens, 91)
      assert.is(record.events, 4)
    }
    assert.equal(
      records.map(({ finish_reason, bytes_in }) => [finish_reason, Number(bytes_in) > 0]),
      [
        ['completed', true],
        ['cancelled', false],
      ],
    )
    assert.is((await connections(1))[0]?.end, 'done')
  }))

test('two Realtime responses at one time are told apart by their ids', () =>
  withSockets(async ({ up, open, responses }) => {
    const client = open('/v1/realtime?model=m')
    const { peer } = await up.connection(0)
    await client.opened()
    const [one, two] = [spoken('r1'), spoken('r2')]
    for (let i = 0; i < 4; i++) peer.send(two[i] as object, one[i] as object)
    const records = await responses(2)
    assert.equal(
      records.map(({ events, completion_tokens }) => [events, completion_tokens]),
      [
        [4, 121],
        [4, 121],
      ],
    )
  }))

test('an error event of the Realtime API ends no response', () =>
  withSockets(async ({ up, open, responses }) => {
    const client = open('/v1/realtime?model=m')
    const { peer } = await up.connection(0)
    await client.opened()
    const [created = {}, ...rest] = spoken('r1')
    peer.send(
      created,
      { type: 'error', event_id: 'e9', error: { type: 'x', code: 'y', message: 'z' } },
      ...rest,
    )
    const [record] = await responses(1)
    assert.equal([record?.end, record?.prompt_tokens, record?.stream_error], ['done', 132, null])
  }))

for (const [what, usage, tokens] of [
  [
    'tokens',
    { type: 'tokens', input_tokens: 17, output_tokens: 9, input_token_details: { audio_tokens: 17 } },
    [17, 9],
  ],
  ['a duration', { type: 'duration', seconds: 3 }, [null, null]],
] as const)
  test(`a transcription is a record of its own, billed by ${what}`, () =>
    withSockets(async ({ up, open, responses }) => {
      const client = open('/v1/realtime?intent=transcription')
      const { peer } = await up.connection(0)
      await client.opened()
      const type = 'conversation.item.input_audio_transcription.completed'
      peer.send(SESSION, { type, item_id: 'i1', transcript: 'Hello', usage })
      const [record] = await responses(1)
      assert.equal([record?.prompt_tokens, record?.completion_tokens], tokens)
      assert.equal([record?.model, record?.end, record?.upstream], ['whisper-x', 'done', 'up'])
    }))

test('a Realtime handshake fails over, and what the last target says reaches the client', () =>
  withSockets(
    async ({ upstreams, open, connections }) => {
      const client = open('/v1/realtime?model=m')
      const { peer } = await (upstreams.ok as SocketUpstream).connection(0)
      await client.opened()
      client.socket.close(1000)
      await peer.closed()
      assert.is((await connections(1))[0]?.failed_attempts, 'busy 503')
      upstreams.ok?.close()
      const other = open('/v1/realtime?model=m')
      assert.equal(await other.refused(), { status: 503, body: '{"why":"busy"}' })
    },
    { routes: [{ targets: [{ upstream: 'busy' }, { upstream: 'ok' }], failover: true }] },
    { busy: {}, ok: {} },
    { busy: new SocketUpstream({ status: 503, body: '{"why":"busy"}' }) },
  ))

test("the official client's Realtime session works, and is metered", () =>
  withSockets(async ({ relay, up, responses }) => {
    const openai = new OpenAI({ apiKey: relay.key, baseURL: relay.url })
    // It always asks for TLS, which the front proxy would end.
    const createConnection = () => connect(relay.port, '127.0.0.1')
    const session = new OpenAIRealtimeWS({ model: 'gpt-realtime', options: { createConnection } }, openai)
    const seen: string[] = []
    session.on('event', (event) => seen.push(event.type))
    session.on('error', (error) => seen.push(`error ${error.message}`))
    const { peer } = await up.connection(0)
    peer.send(SESSION)
    await until(() => seen.length === 1, 'the session')
    session.send({ type: 'response.create' })
    await peer.event(0)
    peer.send(...spoken('r1'))
    await until(() => seen.length === 5, 'the answer')
    session.close()
    assert.is((await responses(1))[0]?.completion_tokens, 121)
    assert.is(seen.at(-1), 'response.done')
  }))

test("the official client's Responses over a WebSocket work, are renamed and are metered", () =>
  withSockets(
    async ({ relay, up, responses }) => {
      const openai = new OpenAI({ apiKey: relay.key, baseURL: relay.url })
      const socket = new ResponsesWS(openai)
      const seen: string[] = []
      socket.on('event', (event) => seen.push(event.type))
      socket.on('error', (error) => seen.push(`error ${error.message}`))
      socket.send(create('fast') as Parameters<ResponsesWS['send']>[0])
      const { peer } = await up.connection(0)
      assert.is((await peer.event(0)).model, 'real-one')
      peer.send(...answer('r1', 'real-one'))
      await until(() => seen.length === 4, 'the answer')
      socket.close()
      const [record] = await responses(1)
      assert.equal(
        [record?.model, record?.upstream_model, record?.completion_tokens],
        ['fast', 'real-one', 12],
      )
      assert.is(seen.at(-1), 'response.completed')
    },
    { models: { fast: { upstream: 'up', model: 'real-one' } } },
  ))

test("the official client sees the relay's refusal as an error", () =>
  withSockets(
    async ({ relay }) => {
      const openai = new OpenAI({ apiKey: relay.key, baseURL: relay.url })
      const socket = new ResponsesWS(openai)
      const errors: string[] = []
      socket.on('error', (error) => errors.push(error.message))
      socket.send(create('unknown') as Parameters<ResponsesWS['send']>[0])
      await until(() => errors.length > 0, 'an error')
      assert.match(errors.join(), /No route of this relay matches/)
      socket.close()
    },
    { routes: [{ model: 'gpt-b', upstream: 'up' }] },
  ))

test.run()
