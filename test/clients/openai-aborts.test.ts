import OpenAI from 'openai'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { until } from '../support/until.js'
import { CHUNKED, head, SSE } from '../support/upstream.js'
import { failureOf, type Way, withScript } from './both.js'

const REQUEST: OpenAI.ChatCompletionCreateParamsStreaming = {
  model: 'm',
  messages: [{ role: 'user', content: 'hello' }],
  stream: true,
}

function chunkOf(content: string, finish: string | null): string {
  const choices = [{ index: 0, delta: { content }, finish_reason: finish }]
  return `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices })}\n\n`
}

function clientOf(way: Way): OpenAI {
  return new OpenAI({ baseURL: `${way.origin}/v1`, apiKey: way.key })
}

test('an abort before the answer began closes the connection at the upstream, as without the relay', async () => {
  await withScript(
    () => {},
    async (both) => {
      for (const [n, way] of [both.direct, both.relayed].entries()) {
        const controller = new AbortController()
        const pending = failureOf(() =>
          clientOf(way).chat.completions.create(REQUEST, { signal: controller.signal }),
        )
        const request = await both.upstream.request(n)
        controller.abort()
        assert.is((await pending).thrown, 'APIUserAbortError')
        await until(() => request.closed, `the upstream connection to close (${way.name})`)
      }
      const [line] = await both.relay.requests(1)
      assert.is(line?.end, 'client_gone')
      assert.is(line?.phase, 'attempt')
      // An aborted request is not tried again.
      assert.is(both.upstream.requests.length, 2)
    },
  )
})

test('an abort within a stream closes the connection at the upstream, as without the relay', async () => {
  await withScript(
    async (request) => {
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.chunk(chunkOf('one', null))
    },
    async (both) => {
      for (const [n, way] of [both.direct, both.relayed].entries()) {
        const controller = new AbortController()
        const stream = await clientOf(way).chat.completions.create(REQUEST, { signal: controller.signal })
        let chunks = 0
        for await (const _ of stream) {
          chunks++
          controller.abort()
        }
        assert.is(chunks, 1)
        const request = await both.upstream.request(n)
        await until(() => request.closed, `the upstream connection to close (${way.name})`)
      }
      const [line] = await both.relay.requests(1)
      assert.is(line?.end, 'client_gone')
      assert.is(line?.phase, 'respond')
    },
  )
})

test('a loop that breaks off within a stream closes the connection at the upstream', async () => {
  await withScript(
    async (request) => {
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.chunk(chunkOf('one', null))
    },
    async (both) => {
      for (const [n, way] of [both.direct, both.relayed].entries()) {
        for await (const _ of await clientOf(way).chat.completions.create(REQUEST)) break
        const request = await both.upstream.request(n)
        await until(() => request.closed, `the upstream connection to close (${way.name})`)
      }
      const [line] = await both.relay.requests(1)
      assert.is(line?.end, 'client_gone')
    },
  )
})

test('an abort after the end of a stream changes nothing: the request is done', async () => {
  await withScript(
    async (request) => {
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.chunk(chunkOf('one', 'stop'))
      await request.chunk('data: [DONE]\n\n')
      await request.lastChunk()
    },
    async (both) => {
      for (const way of [both.direct, both.relayed]) {
        const controller = new AbortController()
        const stream = await clientOf(way).chat.completions.create(REQUEST, { signal: controller.signal })
        let text = ''
        for await (const chunk of stream) text += chunk.choices[0]?.delta.content
        controller.abort()
        assert.is(text, 'one')
      }
      const [line] = await both.relay.requests(1)
      assert.is(line?.end, 'done')
      const second = await clientOf(both.relayed).chat.completions.create(REQUEST)
      for await (const _ of second);
      // The upstream connection of the first is still good for the second.
      assert.is(both.upstream.requests.at(-1)?.connection, both.upstream.requests[1]?.connection)
    },
  )
})

test('a loop that breaks off at the last chunk of a stream that the upstream holds open is done, too', async () => {
  await withScript(
    async (request) => {
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.chunk(`${chunkOf('one', 'stop')}data: [DONE]\n\n`)
    },
    async (both) => {
      for await (const chunk of await clientOf(both.relayed).chat.completions.create(REQUEST)) {
        if (chunk.choices[0]?.finish_reason === 'stop') break
      }
      const [line] = await both.relay.requests(1)
      assert.is(line?.end, 'done')
      const request = await both.upstream.request(0)
      await until(() => request.closed, 'the upstream connection to close')
    },
  )
})

test.run()
