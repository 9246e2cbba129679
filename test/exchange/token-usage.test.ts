import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { resolveUsage, type UsageEvidence } from '../../src/exchange/token-usage.js'
import { PromptSample } from '../../src/metering/prompt-sample.js'
import type { ResponseStats } from '../../src/metering/response-stats.js'
import { StreamMeter } from '../../src/metering/stream-meter.js'

const PROMPT = PromptSample.of([
  Buffer.from('{"messages":[{"role":"user","content":"Say hello to everybody."}]}'),
])

function seenIn(stream: string): ResponseStats {
  const meter = new StreamMeter()
  meter.push(Buffer.from(stream))
  meter.end()
  return meter.readStats()
}

function delta(content: string): string {
  return `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`
}

function settled(
  evidence: Partial<UsageEvidence>,
): readonly [source: string, prompt: unknown, completion: unknown] {
  const { usage, source } = resolveUsage({
    stats: null,
    prompt: PROMPT,
    status: 200,
    end: 'done',
    ...evidence,
  })
  return [source, usage?.prompt, usage?.completion]
}

const SAID = 'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":9}}\n\n'
const STARTED =
  'data: {"type":"message_start","message":{"usage":{"input_tokens":25,"cache_read_input_tokens":10,"output_tokens":1}}}\n\n'
const BLOCKS = ['Hello', ' there,', ' all of you'].map(
  (text) =>
    `data: ${JSON.stringify({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } })}\n\n`,
)

test("the upstream's usage counts, whatever text passed", () => {
  assert.equal(settled({ stats: seenIn(delta('much more text than that') + SAID) }), ['upstream', 7, 9])
  assert.equal(settled({ stats: seenIn(SAID), prompt: null }), ['upstream', 7, 9])
  const beside = SAID.replace('"choices":[]', '"message":{"role":"assistant"}')
  assert.equal(settled({ stats: seenIn(beside) }), ['upstream', 7, 9])
})

test('prompt and completion are estimated if the upstream sends no usage', () => {
  assert.equal(settled({ stats: seenIn(delta('Hello, everybody!')) }), ['estimated', 11, 4])
  assert.equal(settled({ stats: seenIn(delta('Hello')), end: 'upstream_cut' }), ['estimated', 11, 1])
  assert.equal(settled({ stats: seenIn(delta('Hello')), end: 'client_gone' }), ['estimated', 11, 1])
})

test('tokens are estimated by the number of events, or by the text if events have several tokens', () => {
  const words = 'one two three four five six seven eight nine ten'.split(' ')
  const each = words.map((word) => delta(` ${word}`)).join('') + delta('!')
  assert.is(seenIn(each).deltas, 11)
  assert.equal(settled({ stats: seenIn(each) }).at(-1), 11)
  assert.equal(settled({ stats: seenIn(delta(words.join(' '))) }).at(-1), 10)
})

test("the usage at the beginning of Anthropic's stream counts for the prompt and not for the completion", () => {
  const cut = { stats: seenIn(STARTED + BLOCKS.join('')), end: 'upstream_cut' } as const
  assert.equal(settled(cut), ['estimated', 35, 6])
  const told =
    'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":12}}\n\n'
  assert.equal(settled({ stats: seenIn(STARTED + BLOCKS.join('') + told) }), ['upstream', 35, 12])
  const again = told.replace('"output_tokens"', '"input_tokens":25,"output_tokens"')
  assert.equal(settled({ stats: seenIn(STARTED + again) }), ['upstream', 35, 12])
  // The completion is at least as large as the first event says.
  assert.equal(settled({ stats: seenIn(STARTED), end: 'client_gone' }), ['estimated', 35, 1])
})

test('the prompt is estimated if the client leaves before the response', () => {
  assert.equal(settled({ status: null, end: 'client_gone' }), ['estimated', 11, 0])
  assert.equal(settled({ status: null, end: 'shutdown' }), ['estimated', 11, 0])
})

test('refused, failed and unmetered requests are not estimated', () => {
  const none = ['none', undefined, undefined]
  assert.equal(settled({ status: 429, stats: seenIn('') }), none)
  assert.equal(settled({ status: 502, end: 'upstream_failed' }), none)
  assert.equal(settled({ status: null, end: 'upstream_failed' }), none)
  assert.equal(settled({ status: 200, stats: null }), none)
  assert.equal(settled({ status: 200, stats: seenIn(delta('x')), prompt: null }), none)
})

test('an error event as the whole stream uses no tokens, and one behind text uses the estimated ones', () => {
  const error = 'data: {"error":{"message":"no","code":"server_error"}}\n\n'
  assert.equal(settled({ stats: seenIn(error) }), ['none', undefined, undefined])
  assert.equal(settled({ stats: seenIn(delta('Hello') + error) }), ['estimated', 11, 1])
})

test('a tier without numbers is no usage that the upstream told', () => {
  const tier = '{"choices":[],"service_tier":"flex"}'
  const failed = seenIn(`data: ${tier}\n\ndata: {"error":{"code":"x"}}\n\n`)
  const { usage, source } = resolveUsage({ stats: failed, prompt: PROMPT, status: 200, end: 'done' })
  assert.equal([source, usage?.prompt, usage?.details?.tier], ['none', null, 'flex'])
  const estimated = resolveUsage({
    stats: seenIn(`data: ${tier}\n\n${delta('Hello')}`),
    ...{ prompt: PROMPT, status: 200, end: 'client_gone' },
  })
  assert.equal([estimated.source, estimated.usage?.details?.tier], ['estimated', 'flex'])
})

test('the completion of a response that cannot be parsed is unknown', () => {
  assert.equal(settled({ stats: seenIn('data: <html>\n\n') }), ['estimated', 11, null])
})

test.run()
