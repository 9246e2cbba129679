import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { OK, type Scene, withRelay } from '../../support/scene.js'
import { expectHedgesAfter, withTargets } from '../../support/targets.js'
import { step, whole } from '../../support/upstream.js'

const BODY = '{"model":"gpt-x","messages":[{"role":"user","content":"one two three four"}]}'

function post(scene: Scene, headers: string): string {
  return `POST /v1/chat/completions HTTP/1.1\r\n${scene.auth}${headers}content-length: ${BODY.length}\r\n\r\n${BODY}`
}

test('tags go to the record, sorted, and never to the upstream', () =>
  withRelay(OK, async (scene) => {
    const received = await scene.relayed(post(scene, 'X-Thinwire-Tags: ticket=b, project=a\r\n'))
    assert.not(received.header('x-thinwire-tags') !== undefined)
    const [record] = await scene.relay.records(1)
    assert.is(record?.tags, 'project=a,ticket=b')
  }))

for (const tags of ['project', 'a=1,a=2', 'a=b"c', `a=${'b'.repeat(65)}`])
  test(`tags like ${JSON.stringify(tags.slice(0, 20))} are refused before an upstream is asked`, () =>
    withRelay(OK, async (scene) => {
      const response = await scene.ask(post(scene, `x-thinwire-tags: ${tags}\r\n`))
      assert.is(response.status, 400)
      assert.match(response.body.toString(), /"code":"invalid_tags".*/)
      assert.match(response.body.toString(), /project=a,ticket=b/)
      assert.is(scene.upstream.requests.length, 0)
    }))

test('tags of a request without a key are not judged: the key is missing first', () =>
  withRelay(OK, async (scene) => {
    const response = await scene.ask('GET /v1/x HTTP/1.1\r\nhost: relay\r\nx-thinwire-tags: ??\r\n\r\n')
    assert.is(response.status, 401)
  }))

test('session and subagent of Claude Code go to the record, and to the upstream too', () =>
  withRelay(OK, async (scene) => {
    const headers = 'X-Claude-Code-Session-Id: s-1\r\nX-Claude-Code-Agent-Id: explore-2\r\n'
    const received = await scene.relayed(post(scene, headers))
    assert.ok(received.header('x-claude-code-session-id') === 's-1')
    const [record] = await scene.relay.records(1)
    assert.equal([record?.session_id, record?.agent_id], ['s-1', 'explore-2'])
  }))

test('an id that is not a plain token is left out of the record', () =>
  withRelay(OK, async (scene) => {
    await scene.relayed(post(scene, 'x-claude-code-session-id: a "b" c\r\n'))
    const [record] = await scene.relay.records(1)
    assert.not(Object.hasOwn(record ?? {}, 'session_id'))
  }))

test("the upstream's request id and the client's address are in the record", () =>
  withRelay(
    (request) => request.write(whole('200 OK', '{}', 'x-request-id: req_from_upstream')),
    async (scene) => {
      await scene.ask(post(scene, 'x-forwarded-for: 203.0.113.9\r\n'))
      await scene.ask('GET /v1/x HTTP/1.1\r\nhost: relay\r\nx-forwarded-for: 203.0.113.9\r\n\r\n')
      const [answered, refused] = await scene.relay.records(2)
      assert.equal(
        [answered?.upstream_request_id, answered?.client_address, refused?.client_address],
        ['req_from_upstream', '203.0.113.9', '203.0.113.9'],
      )
    },
    { trustedProxies: ['127.0.0.0/8'] },
  ))

test('a target that was overtaken is named, and the prompt that it may bill is estimated apart', () =>
  withTargets(
    [step.hang(), (request) => request.write(whole('200 OK', 'from b'))],
    async ({ relay, upstreams: [a], ask, record }) => {
      expectHedgesAfter(relay, 60)
      await ask('/v1/chat/completions', BODY)
      await (await a?.request(0))?.ended()
      const { overtaken, overtaken_prompt_tokens, failed_attempts, prompt_tokens } = await record()
      assert.equal([overtaken, failed_attempts], ['a', null])
      assert.ok(Number(overtaken_prompt_tokens) > 0)
      assert.ok(prompt_tokens === null || prompt_tokens === overtaken_prompt_tokens)
    },
    { route: { hedge: true } },
  ))

test.run()
