import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { post, startRelay } from '../../support/relay.js'
import { ScriptedUpstream, whole } from '../../support/upstream.js'

/** Where a request for a session goes, by the place of its model: `ALIAS` is the client's name, `REAL` the upstream's. */
const CASES: readonly (readonly [path: string, body: string, sentPath?: string])[] = [
  ['/realtime/client_secrets', '{"session":{"type":"realtime","model":"ALIAS","audio":{}}}'],
  [
    '/realtime/client_secrets',
    '{"expires_after":{"seconds":60},"session":{"instructions":"a \\"model\\"","model":"ALIAS"}}',
  ],
  ['/realtime/sessions', '{"model":"ALIAS","voice":"alloy"}'],
  ['/realtime/transcription_sessions', '{"session":{"model":"ALIAS"},"x":1}'],
  ['/realtime?model=ALIAS', 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\n', '/realtime?model=REAL'],
  ['/realtime/calls?x=1&model=ALIAS', 'v=0\r\n', '/realtime/calls?x=1&model=REAL'],
  ['/openai/realtime?api-version=1&deployment=ALIAS', 'v=0\r\n', '/realtime?model=REAL'],
]

for (const [path, body, sentPath] of CASES)
  test(`a POST to ${path} goes where its model is, under its name there: ${body.slice(0, 40)}`, async () => {
    const first = await ScriptedUpstream.start((request) => request.write(whole('200 OK', 'first')))
    const second = await ScriptedUpstream.start((request) => request.write(whole('200 OK', 'second')))
    const relay = await startRelay(
      { a: { baseUrl: first.url }, b: { baseUrl: second.url } },
      { routes: [{ upstream: 'a' }], models: { 'team-voice': { upstream: 'b', model: 'gpt-real' } } },
    )
    try {
      const fill = (text: string, name: string): string => text.replace(/ALIAS|REAL/, name)
      const response = await post(relay, fill(`/v1${path}`, 'team-voice'), fill(body, 'team-voice'))
      assert.is(response.body.toString(), 'second')
      const got = await second.request(0)
      assert.is(got.target, `/v1${fill(sentPath ?? path, 'gpt-real')}`)
      assert.is(got.body.toString(), fill(body, 'gpt-real'))
      assert.is((await relay.records(1))[0]?.model, 'team-voice')
      // Another model goes the usual way, byte for byte.
      await post(relay, fill(`/v1${path}`, 'other'), fill(body, 'other'))
      assert.is((await first.request(0)).body.toString(), fill(body, 'other'))
    } finally {
      await relay.close()
      await first.close()
      await second.close()
    }
  })

test.run()
