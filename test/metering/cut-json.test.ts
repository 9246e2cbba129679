import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { resolveUsage } from '../../src/exchange/token-usage.js'
import { completeJson } from '../../src/metering/cut-json.js'
import { JsonMeter } from '../../src/metering/json-meter.js'
import { PromptSample } from '../../src/metering/prompt-sample.js'
import { fc } from '../support/property.js'
import { scan } from './meters.js'

/** Whether `part` is what a cut leaves of `whole`: members, elements and the end of one string may be missing. */
function isPartOf(part: unknown, whole: unknown): boolean {
  if (typeof part === 'string' && typeof whole === 'string') return whole.startsWith(part)
  if (Array.isArray(part))
    return Array.isArray(whole) && part.every((element, i) => i < whole.length && isPartOf(element, whole[i]))
  if (typeof part !== 'object' || part === null) return Object.is(part, whole)
  if (typeof whole !== 'object' || whole === null) return false
  return Object.entries(part).every(([key, value]) =>
    isPartOf(value, Object.getOwnPropertyDescriptor(whole, key)?.value),
  )
}

test('what is left of any JSON text that was cut anywhere can be parsed, and has nothing that was not there', () => {
  const value = fc.oneof(fc.object({ withNullPrototype: false }), fc.array(fc.jsonValue(), { minLength: 1 }))
  fc.assert(
    fc.property(value, fc.nat(), fc.constantFrom(undefined, 1), (any, place, indent) => {
      const text = JSON.stringify(any, null, indent)
      const cut = 1 + (place % text.length)
      const completed = completeJson(text.slice(0, cut))
      if (cut === text.length) assert.is(completed, null)
      else
        assert.ok(
          isPartOf(JSON.parse(completed as string), JSON.parse(text)),
          `${text.slice(0, cut)} > ${completed}`,
        )
    }),
    { numRuns: 5_000 },
  )
})

test('numbers, words, keys and escapes that are cut are left out', () => {
  const cases: readonly [string, string][] = [
    ['{"a":12', '{}'],
    ['{"a":12,', '{"a":12}'],
    ['{"a":1,"b', '{"a":1}'],
    ['{"a":1,"b":', '{"a":1}'],
    ['{"a":tru', '{}'],
    ['[1,[2,3', '[1,[2]]'],
    ['{"a":"x\\', '{"a":"x"}'],
    ['{"a":"x\\u00e', '{"a":"x"}'],
    ['{"a":"x\\n', '{"a":"x\\n"}'],
    ['{"a":"x\ufffd', '{"a":"x"}'],
    ['{"a":[{"b":"c"', '{"a":[{"b":"c"}]}'],
  ]
  for (const [text, completed] of cases) assert.is(completeJson(text), completed, text)
  for (const text of ['', '<html>', 'data: x', '{}', '7', '"a', '{]', '{"a":1}}'])
    assert.is(completeJson(text), null, text)
})

const WORDS = 'The relay keeps what it was sent and counts what has passed so far. '.repeat(40)
const ANSWERS: Readonly<Record<string, object>> = {
  chat: {
    model: 'm',
    choices: [{ index: 0, message: { role: 'assistant', content: WORDS } }],
    usage: { prompt_tokens: 9 },
  },
  messages: { model: 'm', content: [{ type: 'text', text: WORDS }], usage: { input_tokens: 9 } },
  responses: {
    model: 'm',
    object: 'response',
    output: [{ type: 'message', content: [{ type: 'output_text', text: WORDS }] }],
  },
  gemini: { candidates: [{ content: { parts: [{ text: WORDS }] } }] },
  call: {
    choices: [
      {
        message: {
          tool_calls: [{ id: 'c', function: { name: 'f', arguments: JSON.stringify({ q: WORDS }) } }],
        },
      },
    ],
  },
}

for (const [name, answer] of Object.entries(ANSWERS)) {
  test(`the tokens of a whole answer that is cut are estimated by what came of it: ${name}`, () => {
    const text = JSON.stringify(answer)
    const prompt = PromptSample.of([Buffer.from('{"messages":[]}')])
    const completion = (cut: number): number => {
      const stats = scan(new JsonMeter(), [Buffer.from(text.slice(0, cut))])
      const { usage, source } = resolveUsage({ stats, prompt, status: 200, end: 'upstream_cut' })
      assert.is(source, 'estimated')
      assert.type(usage?.completion, 'number', `cut at ${cut}`)
      return usage?.completion ?? 0
    }
    const start = text.indexOf('The relay')
    assert.is(completion(2), 0)
    const [quarter, half] = [completion(start + WORDS.length / 4), completion(start + WORDS.length / 2)]
    const around = name === 'call' ? 14 : 0
    assert.ok(Math.abs((half - around) / (quarter - around) / 2 - 1) < 0.05, `${quarter}, ${half}`)
    for (let cut = 1; cut < text.length; cut += 13) completion(cut)
  })
}

test.run()
