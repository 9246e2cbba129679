import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Running } from '../../bench/contestants.js'
import type { Driver } from '../../bench/driver.js'
import { Recorder } from '../../bench/recorder.js'
import { TRANSLATED } from '../../bench/scenarios/translated.js'
import { apiOf, makeShape } from '../../bench/wire/events.js'
import type { Jobs, Mark } from '../../bench/wire/jobs.js'
import { type Api, promptWith, readPlan, STAMP_MARK } from '../../bench/wire/plan.js'
import type { BodyApi } from '../../src/api/apis.js'
import { findTraits } from '../../src/api/model-table.js'
import { createResponseFacts } from '../../src/http/response-headers.js'
import { applyEdits } from '../../src/json/edits.js'
import type { OutboundRequest } from '../../src/translate/conversation-request.js'
import { prepareConversation } from '../../src/translate/prepare-conversation.js'
import { detectBodyApi } from '../../src/translate/request/detect-api.js'

const APIS: readonly Exclude<Api, 'gemini'>[] = ['chat', 'responses', 'messages']
const PLAN = { json: 0, chunks: 3, every: 20, bytes: 200 }
const STAMPS = ['0000000000000001', '0000000000000002', '0000000000000003']

/** A body without its chunks. */
function unframed(chunked: string): string {
  let text = ''
  for (let at = 0; at < chunked.length; ) {
    const end = chunked.indexOf('\r\n', at)
    const size = Number.parseInt(chunked.slice(at, end), 16)
    text += chunked.slice(end + 2, end + 2 + size)
    assert.is(chunked.slice(end + 2 + size, end + 4 + size), '\r\n')
    at = end + size + 4
  }
  return text
}

/** What Cursor's request is sent as to an upstream that speaks the API of its body. */
function prepareNative(api: BodyApi, body: Buffer): OutboundRequest {
  const options = { isCursor: true, model: null, modelName: null, effort: null, thoughts: null } as const
  const { traits } = findTraits({ model: null, upstream: null, preset: null, rules: [] })
  return prepareConversation(api, body, {
    ...options,
    reads: 'chat',
    showThinking: 'reasoning_content',
  }).requestFor({
    api,
    traits,
    model: null,
    upstream: 'up',
  })
}

for (const api of APIS) {
  test(`a prompt of ${api} is taken for one, and keeps its plan on its way upstream`, () => {
    const body = promptWith(PLAN, 2_000, api)
    assert.is(detectBodyApi(body), api)
    assert.ok(Math.abs(body.length - 2_000) < 500, String(body.length))
    const { path, pieces, edits } = prepareNative(api, body)
    assert.is(apiOf(`POST /v1${path} HTTP/1.1\r\n`), api)
    assert.equal(readPlan(Buffer.concat(applyEdits(pieces, edits)).toString()), PLAN)
  })

  test(`of each event of ${api} comes one chunk that has its stamp, and the end of a chat`, () => {
    const { begin, before, after, end } = makeShape(api, PLAN.bytes)
    const stream = unframed(begin + STAMPS.map((stamp) => before + stamp + after).join('') + end)
    const { translate } = prepareNative(api, promptWith(PLAN, 2_000, api))
    let told = stream
    if (api !== 'chat') {
      const translation = translate?.(200, { ...createResponseFacts(), eventStream: true })
      assert.ok(translation)
      told = translation.push(Buffer.from(stream)).toString() + translation.end().toString()
    }
    const chunks = told.split('\n\n').filter((event) => event.includes(STAMP_MARK))
    assert.is(chunks.length, STAMPS.length)
    chunks.forEach((chunk, i) => {
      const { object, choices } = JSON.parse(chunk.slice('data: '.length))
      assert.is(object, 'chat.completion.chunk')
      assert.match(choices[0].delta.content, new RegExp(`^${STAMP_MARK}${STAMPS[i]}x+$`))
    })
    assert.ok(told.endsWith('data: [DONE]\n\n'))
    assert.not.match(told, /"error"/)
  })
}

test('an event has the bytes that are asked for, where it can be said in so few', () => {
  for (const [api, bytes] of [
    ['chat', 200],
    ['messages', 200],
    ['responses', 400],
  ] as const) {
    const { before, after } = makeShape(api, bytes)
    assert.is(unframed(before + STAMPS[0] + after).length, bytes)
  }
})

test('what an event costs is reported for each API, beside chats of the same process', async () => {
  const cost: Readonly<Record<Api, number>> = { chat: 20, responses: 26, messages: 25, gemini: 24 }
  let cpuUs = 0
  const driver = {
    async run(_: string, { api, plan }: Jobs['paced']['ask'], onMark: (mark: Mark) => void) {
      onMark('begin')
      const delayUs = Array.from({ length: plan.chunks }, () => 50)
      await null
      cpuUs += cost[api] * delayUs.length
      onMark('end')
      return { delayUs }
    },
  }
  const read = async () => ({ cpuUs, rssBytes: 0, gcUs: null, loopDelayP99Us: null })
  const reconfigure = async () => {}
  const running = {
    name: 'thinwire',
    reconfigure,
    child: { read, watch: async () => {} },
  } as unknown as Running
  const record = new Recorder()
  await TRANSLATED.measure({ driver: driver as unknown as Driver, record, mode: 'quick' }, running)
  assert.equal(
    record.series.map(({ figure, values }) => [figure, ...values]),
    [
      ['cpu_per_chat_event', 20],
      ['cpu_per_responses_event', 26],
      ['cpu_per_messages_event', 25],
      ['cpu_per_gemini_event', 24],
    ],
  )
})

test.run()
