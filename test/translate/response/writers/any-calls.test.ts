import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { BodyApi } from '../../../../src/api/apis.js'
import { isJsonObject } from '../../../../src/translate/response/answer-part.js'
import { assertGrowsLinearly } from '../../../support/growth.js'
import { fc } from '../../../support/property.js'
import { readChatStream } from '../../../support/readers/chat.js'
import type { Fields, ReadAnswer } from '../../../support/readers/events.js'
import { readMessagesStream, requireError, requireMessage } from '../../../support/readers/messages.js'
import { readResponsesStream, requireResponse } from '../../../support/readers/responses.js'
import { anySteps, create, ERROR, mixedAnswer, perform, type Step, USAGE } from './steps.js'

const READERS: Readonly<Record<BodyApi, (text: string) => ReadAnswer>> = {
  chat: readChatStream,
  responses: readResponsesStream,
  messages: readMessagesStream,
}
const APIS = Object.keys(READERS) as BodyApi[]
const FINISH: Step = { do: 'finish', reason: 'stop', hasUsage: true }
const RUNS = { numRuns: 300 }

/** What the calls say, up to the first end. */
function told(steps: readonly Step[]) {
  const all = {
    text: '',
    reasoning: '',
    refusal: '',
    calls: [] as { id: string; name: string; isCustom: boolean; input: string }[],
  }
  for (const step of steps) {
    if (step.do === 'content') all.text += step.text
    else if (step.do === 'reasoning') all.reasoning += step.text
    else if (step.do === 'refusal') all.refusal += step.text
    else if (step.do === 'open')
      all.calls.push({ id: step.id, name: step.name, isCustom: step.isCustom, input: '' })
    else if (step.do === 'args') {
      const call = all.calls[step.index]
      if (call !== undefined) call.input += step.text
    } else if (step.do === 'finish' || step.do === 'fail') return { ...all, end: step.do }
  }
  return { ...all, end: null }
}

/** The texts in the order in which they were said: Messages has refusals among the texts. */
function said(steps: readonly Step[], kinds: readonly string[]): string {
  let all = ''
  for (const step of steps) {
    if (step.do === 'finish' || step.do === 'fail') break
    if ('text' in step && kinds.includes(step.do)) all += step.text
  }
  return all
}

for (const api of APIS) {
  test(`any calls of the ${api} stream writer give a stream that a strict reader accepts`, () => {
    fc.assert(
      fc.property(anySteps, (steps) => {
        const writer = create({ reads: api })
        const answer = READERS[api](perform(writer, steps))
        const expected = told(steps)
        assert.is(answer.end !== null, writer.over)
        if (expected.end === 'finish' && answer.end !== 'error') assert.is(answer.end, 'finish')
        if (expected.end === 'fail') assert.is(answer.end, 'error')
        if (answer.end !== 'finish') return
        assert.is(answer.text, api === 'messages' ? said(steps, ['content', 'refusal']) : expected.text)
        assert.is(answer.reasoning, expected.reasoning)
        if (api !== 'messages') assert.is(answer.refusal, expected.refusal)
        assert.is(answer.calls.length, expected.calls.length)
        for (const [n, call] of expected.calls.entries()) {
          const read = answer.calls[n]
          assert.is(read?.id, call.id)
          assert.is(read?.name, call.name)
          assert.is(read?.isCustom, api === 'responses' && call.isCustom)
          if (api === 'messages' && call.isCustom)
            assert.equal(JSON.parse(read?.input ?? ''), { input: call.input })
          // White space behind a complete object is dropped where its block is closed.
          else if (api !== 'chat' && !call.isCustom) assert.is(read?.input.trimEnd(), call.input.trimEnd())
          else assert.is(read?.input, call.input)
        }
      }),
      RUNS,
    )
  })

  test(`the ${api} stream writer loses nothing of calls whose arguments come mixed, and of text between them`, () => {
    fc.assert(
      fc.property(mixedAnswer, ({ steps, inputs, text }) => {
        const answer = READERS[api](perform(create({ reads: api }), [...steps, FINISH]))
        assert.is(answer.end, 'finish')
        assert.is(answer.text, text)
        assert.equal(
          answer.calls.map(({ input }) => input),
          inputs,
        )
      }),
      RUNS,
    )
  })

  test(`a whole body for ${api} comes at the end, and says what the stream says`, () => {
    fc.assert(
      fc.property(
        anySteps,
        fc.constantFrom('reasoning_content', 'think_tags', 'none'),
        (steps, showThinking) => {
          const writer = create({ reads: api, stream: false, showThinking })
          const body = perform(writer, steps)
          if (!writer.over) {
            assert.is(body, '')
            return
          }
          assert.is(writer.bytesHeld, 0)
          const streamed = READERS[api](perform(create({ reads: api, showThinking }), steps))
          const whole: Fields = JSON.parse(body)
          if (told(steps).end === 'fail') {
            if (api === 'messages') requireError(whole)
            else assert.equal(whole, { error: ERROR })
            return
          }
          checkWhole(api, whole, streamed)
        },
      ),
      RUNS,
    )
  })
}

function checkWhole(api: BodyApi, whole: Fields, streamed: ReadAnswer): void {
  // A stream cannot take back a call that it has closed.
  if (streamed.end === 'error') return
  if (api === 'chat') {
    const { message, finish_reason: reason } = whole.choices[0]
    assert.is(message.content ?? '', streamed.text)
    assert.is(message.refusal ?? '', streamed.refusal)
    assert.is(message.reasoning_content ?? '', streamed.reasoning)
    assert.is(reason, streamed.reason)
    const calls = (message.tool_calls ?? []).map((call: Fields) => [
      call.id,
      call.function.name,
      call.function.arguments,
    ])
    assert.equal(
      calls,
      streamed.calls.map(({ id, name, input }) => [id, name, input]),
    )
    assert.equal(whole.usage ?? null, streamed.usage)
  } else if (api === 'responses') {
    requireResponse(whole)
    const plain = (response: Fields): unknown => [
      response.status,
      response.incomplete_details,
      response.usage,
      response.output.map((item: Fields) => item.type).sort(),
      response.output
        .filter((item: Fields) => item.call_id !== undefined)
        .map((item: Fields) => [item.call_id, item.name, (item.arguments ?? item.input).trimEnd()]),
    ]
    if (isOrderKept(streamed)) assert.equal(plain(whole), plain(streamed.whole as Fields))
  } else {
    requireMessage(whole)
    assert.is(whole.stop_reason, streamed.reason)
    assert.equal(whole.usage, streamed.usage)
    const calls = whole.content.filter((block: Fields) => block.type === 'tool_use')
    for (const [n, { input }] of streamed.calls.entries()) {
      const expected = input === '' ? {} : isJsonObject(input) ? JSON.parse(input) : { arguments: input }
      const { input: read } = calls[n]
      if ('arguments' in read) assert.is(String(read.arguments).trimEnd(), input.trimEnd())
      else assert.equal(read, expected)
    }
  }
}

/** A stream may split a text in two where a late part of a call stands between, but not if all calls are complete. */
function isOrderKept({ calls }: ReadAnswer): boolean {
  return calls.every(({ input }) => isJsonObject(input))
}

test('thinking that is shown as text is closed ahead of all else, and never left open', () => {
  fc.assert(
    fc.property(anySteps, (steps) => {
      const answer = readChatStream(perform(create({ showThinking: 'think_tags' }), steps))
      assert.is(answer.reasoning, '')
      let expected = ''
      let open = false
      const close = (): void => {
        if (open) expected += '</think>\n\n'
        open = false
      }
      for (const step of steps) {
        if (step.do === 'fail') break
        if (step.do === 'open' || step.do === 'finish') close()
        if (step.do === 'finish') break
        if (!('text' in step) || step.text === '' || step.do === 'args') continue
        if (step.do !== 'reasoning') close()
        else if (!open) {
          expected += '<think>'
          open = true
        }
        if (step.do !== 'refusal') expected += step.text
      }
      assert.is(answer.text, expected)
    }),
    RUNS,
  )
})

test('thinking that is hidden restarts idle timeouts, and shows in no chunk', () => {
  const writer = create({ showThinking: 'none' })
  writer.reasoning('hm')
  const text = writer.take().toString()
  assert.ok(text.endsWith(': keep-alive\n\n'))
  assert.not.match(text, 'hm')
  assert.ok(writer.filled)
})

test('a client that asked for no usage chunk gets none', () => {
  const answer = readChatStream(perform(create({ includeUsage: false }), [FINISH]))
  assert.is(answer.usage, null)
  assert.is(answer.end, 'finish')
})

test('an input that comes after the end of its call ends the stream with an error', () => {
  for (const reads of ['responses', 'messages'] as const) {
    const writer = create({ reads })
    writer.callArguments(writer.openCall('a', 'f'), '{"n":1}')
    writer.callArguments(writer.openCall('b', 'g'), '{')
    writer.callArguments(0, ' \n')
    assert.is(writer.over, false)
    writer.callArguments(0, ',')
    assert.is(writer.over, true)
    const { end, error } = READERS[reads](writer.take().toString())
    assert.is(end, 'error')
    assert.match(String(error?.message), 'went on with a tool call')
  }
})

test('a call is streamed as soon as the one ahead is complete', () => {
  for (const reads of ['responses', 'messages'] as const) {
    const writer = create({ reads })
    const [a, b] = [writer.openCall('a', 'f'), writer.openCall('b', 'g')]
    writer.callArguments(a, '{"n":')
    writer.callArguments(a, '1}')
    writer.take()
    writer.callArguments(b, '{"m":')
    assert.match(writer.take().toString(), '{\\"m\\":')
    writer.callArguments(b, '2}')
    assert.match(writer.take().toString(), '2}')
  }
})

test('calls in any number cost a time in proportion to their number, however they are mixed', () => {
  for (const reads of ['responses', 'messages'] as const)
    assertGrowsLinearly(
      reads,
      2_500,
      (calls) => ({ calls, writer: create({ reads }) }),
      ({ calls, writer }) => {
        for (let n = 0; n < calls; n++) writer.openCall(`c${n}`, 'f')
        for (const piece of ['{"a":', '1', '}'])
          for (let n = 0; n < calls; n++) writer.callArguments(n, piece)
        writer.finish('tool_calls', USAGE)
        writer.take()
      },
    )
})

test.run()
