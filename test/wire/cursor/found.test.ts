import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { post } from '../../support/relay.js'
import { withRelay } from '../../support/scene.js'
import { type Script, SSE, whole } from '../../support/upstream.js'

const JSON_TYPE = 'content-type: application/json'
const TOOLS = [{ type: 'function', function: { name: 'Read', parameters: { type: 'object' } } }]
const USER = { role: 'user', content: 'u' }

const event = (delta: object, reason: string | null = null): string =>
  `data: ${JSON.stringify({ id: 'x', choices: [{ index: 0, delta, finish_reason: reason }] })}\n\n`

for (const stream of [true, false])
  for (const [what, given] of [
    ['without an id', {}],
    ['with an empty id', { id: '' }],
    ['with an id', { id: 'call_1' }],
  ] as const)
    test(`the thinking ahead of a call ${what} goes back with it, ${stream ? 'streamed' : 'whole'}`, async () => {
      const call = { ...given, type: 'function', function: { name: 'Read', arguments: '{}' } }
      const message = { role: 'assistant', content: null, reasoning_content: 'why', tool_calls: [call] }
      const script: Script = (request) =>
        request.write(
          stream
            ? whole(
                '200 OK',
                `${event({ reasoning_content: 'why' })}${event({ tool_calls: [{ index: 0, ...call }] })}${event({}, 'tool_calls')}data: [DONE]\n\n`,
                SSE,
              )
            : whole(
                '200 OK',
                JSON.stringify({ id: 'x', choices: [{ index: 0, message, finish_reason: 'tool_calls' }] }),
                JSON_TYPE,
              ),
        )
      const settings = { models: { team: { upstream: 'up', model: 'deepseek-reasoner' } } }
      const act: Parameters<typeof withRelay>[1] = async ({ relay, upstream }) => {
        const body = (messages: readonly object[]): string =>
          JSON.stringify({ model: 'team', stream, tools: TOOLS, messages })
        const answer = await post(relay, '/cursor/v1/chat/completions', body([USER]))
        const id = /"tool_calls":\[\{[^\]]*?"id":"([^"]+)"/.exec(answer.body.toString())?.[1]
        assert.ok(id, answer.body.toString())
        const turn = [
          { role: 'assistant', content: null, tool_calls: [{ ...call, id }] },
          { role: 'tool', tool_call_id: id, content: 'r' },
        ]
        await post(relay, '/cursor/v1/chat/completions', body([USER, ...turn]))
        const { messages } = JSON.parse((await upstream.request(1)).body.toString())
        assert.is(messages[1].reasoning_content, 'why')
      }
      await withRelay(script, act, settings, { preset: 'deepseek' })
    })

test('an error without a body is one that Cursor can read, whatever API the target has', async () => {
  const models = {
    chat: { upstream: 'up', model: 'm' },
    messages: { upstream: 'up', model: 'claude-m' },
  }
  const settings = { models, modelTraits: [{ match: 'claude-*', api: 'messages' }] }
  await withRelay(
    (request) => request.write(whole('524 A Timeout Occurred', '', 'content-type: text/html')),
    async ({ relay }) => {
      for (const model of Object.keys(models)) {
        const body = JSON.stringify({ model, stream: true, messages: [USER] })
        const answer = await post(relay, '/cursor/v1/chat/completions', body)
        assert.is(answer.status, 524)
        assert.is(JSON.parse(answer.body.toString()).error.type, 'server_error')
      }
    },
    settings,
  )
})

test.run()
