import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Peeker, peekFields } from '../../src/json/peek.js'
import { Prices } from '../../src/ledger/prices.js'
import { type EstimatedBody, estimateTokens } from '../../src/limits/estimate.js'
import { RecentOutputs } from '../../src/limits/recent-outputs.js'
import { isExempt } from '../../src/limits/rules/exempt.js'
import { UnpricedModels } from '../../src/limits/unpriced.js'
import { PromptSample } from '../../src/metering/prompt-sample.js'

const CHAT = { method: 'POST', path: '/chat/completions', model: 'm' }

function bodyOf(value: object): EstimatedBody {
  const text = Buffer.from(JSON.stringify(value))
  return { length: text.length, pieces: [text], decoded: null, peeked: peekFields(text) }
}

function outputsOf(...tokens: readonly number[]): RecentOutputs {
  const outputs = new RecentOutputs()
  for (const each of tokens) outputs.add('m', each)
  return outputs
}

test('an answer is expected to be as long as 19 of the last 20 of its model, and no longer than the client allows', () => {
  const recent = outputsOf(...Array.from({ length: 100 }, (_, n) => n + 1))
  for (const [more, outputs, expected] of [
    [{}, outputsOf(), 1_000],
    [{ max_tokens: 30 }, outputsOf(), 30],
    [{ max_completion_tokens: 40 }, outputsOf(), 40],
    [{ max_output_tokens: 50 }, outputsOf(), 50],
    [{ generationConfig: { temperature: 0, maxOutputTokens: 60 } }, outputsOf(), 60],
    [{ generation_config: { max_output_tokens: 60 } }, outputsOf(), 60],
    [{ inferenceConfig: { maxTokens: 61 } }, outputsOf(), 61],
    [{ inferenceConfig: { max_new_tokens: 62 } }, outputsOf(), 62],
    [{ textGenerationConfig: { maxTokenCount: 63 } }, outputsOf(), 63],
    [{ options: { num_predict: 64 } }, outputsOf(), 64],
    // No limit, as Ollama writes it, and none that is a number.
    [{ options: { num_predict: -1 } }, outputsOf(), 1_000],
    [{ options: [7], generationConfig: { maxOutputTokens: '7' } }, outputsOf(), 1_000],
    [{ generationConfig: null, inferenceConfig: 7 }, outputsOf(), 1_000],
    [{ max_tokens: 1_000_000 }, outputsOf(), 1_000],
    // The last 64 are 37 to 100.
    [{}, recent, 97],
    [{ max_tokens: 7 }, recent, 7],
    [{}, outputsOf(5), 5],
  ] as const) {
    const body = bodyOf({ model: 'm', ...more })
    assert.is(estimateTokens(CHAT, body, outputs).completion, expected)
    // The same however the body is cut.
    const peeker = new Peeker()
    for (const byte of body.pieces[0] ?? []) peeker.push(Buffer.from([byte]))
    const { found: peeked } = peeker
    assert.is(estimateTokens(CHAT, { ...body, peeked }, outputs).completion, expected)
  }
})

test('a prompt counts by its bytes, pictures and files in it do not', () => {
  const text = 'Please read this and say what you think of it. '.repeat(2_000)
  const picture = 'iVBORw0KGgoAAAANSUhEUgAA'.repeat(20_000)
  const small = bodyOf({ messages: [{ role: 'user', content: 'hi there' }] })
  assert.is(estimateTokens(CHAT, small, outputsOf()).prompt, Math.ceil(small.length / 4))
  const written = estimateTokens(CHAT, bodyOf({ messages: [text] }), outputsOf()).prompt
  assert.ok(written > 15_000 && written < 30_000, `${written}`)
  const shown = estimateTokens(CHAT, bodyOf({ image: picture, messages: ['hi'] }), outputsOf()).prompt
  assert.ok(shown < picture.length / 4 / 10, `${shown}`)
})

test('the estimate is from half to twice that of metering, in any script and in any pieces', () => {
  const texts = {
    prose: 'The relay passes each piece on as soon as it arrives, and records what was used of it. ',
    code: 'for (const each of list) if (each.value > 10) total += await compute(each.value, { retry: true })\n',
    schema: JSON.stringify({
      type: 'object',
      properties: { path: { type: 'string', description: 'A file.' } },
    }),
    german: 'Die Überprüfung läuft für alle Schlüssel größer als null, außer in der Übergangszeit. ',
    russian: 'Каждый запрос оставляет одну запись, и её можно проверить. ',
    chinese: '每个请求都会留下一条记录，可以随时核对。',
  }
  for (const [name, text] of Object.entries(texts))
    for (const bytes of [5_000, 60_000, 400_000]) {
      const content = text.repeat(Math.ceil(bytes / Buffer.byteLength(text)))
      const whole = bodyOf({ model: 'm', messages: [{ role: 'user', content }] })
      const metered = PromptSample.of(whole.pieces).estimateTokens()
      const [buffer = Buffer.alloc(0)] = whole.pieces
      for (const size of [buffer.length, 1_000, 777]) {
        const pieces: Buffer[] = []
        for (let at = 0; at < buffer.length; at += size) pieces.push(buffer.subarray(at, at + size))
        const { prompt } = estimateTokens(CHAT, { ...whole, pieces }, outputsOf())
        assert.ok(
          prompt >= metered / 2 && prompt <= metered * 2,
          `${name}, ${bytes}: ${prompt} for ${metered}`,
        )
      }
    }
})

test('half a body of pictures counts as half', () => {
  const text = 'Please read this and say what you think of it. '.repeat(1_000)
  const picture = 'iVBORw0KGgoAAAANSUhEUgAA'.repeat(text.length / 24)
  const both = bodyOf({ messages: [text, picture] })
  const { prompt } = estimateTokens(CHAT, both, outputsOf())
  assert.ok(Math.abs(prompt / (text.length / 4) - 1) < 0.1, `${prompt}`)
})

test('of a body that still arrives, the rest is taken to be like its beginning', () => {
  const whole = bodyOf({ messages: ['Please read this and say what you think of it. '.repeat(4_000)] })
  const [text] = whole.pieces
  const part = { ...whole, pieces: [text?.subarray(0, 50_000) ?? Buffer.alloc(0)] }
  const [complete, begun] = [whole, part].map((body) => estimateTokens(CHAT, body, outputsOf()).prompt)
  assert.ok(Math.abs((begun ?? 0) - (complete ?? 0)) < (complete ?? 0) / 10, `${begun} for ${complete}`)
})

test('what runs no model is expected to use nothing', () => {
  const outputs = outputsOf()
  assert.equal(estimateTokens({ ...CHAT, method: 'GET', path: '/responses/r1' }, null, outputs), {
    prompt: 0,
    completion: 0,
  })
  assert.equal(estimateTokens({ ...CHAT, path: '/batches' }, bodyOf({ input_file_id: 'f' }), outputs), {
    prompt: 0,
    completion: 0,
  })
  assert.is(estimateTokens({ ...CHAT, path: '/embeddings' }, bodyOf({ input: 'hi' }), outputs).completion, 0)
})

test('only so many models are remembered, those that answered last', () => {
  const outputs = new RecentOutputs()
  outputs.add('first', 1)
  outputs.add('kept', 2)
  for (let n = 0; n < 498; n++) outputs.add(`m${n}`, 3)
  outputs.add('kept', 2)
  outputs.add('one more', 4)
  assert.equal([outputs.expect('first'), outputs.expect('kept'), outputs.expect('m0')], [1_000, 2, 3])
})

for (const [method, path, expected] of [
  ['POST', '/messages/count_tokens', true],
  ['POST', '/responses/input_tokens', true],
  ['POST', '/models/gemini-2.5-pro:countTokens', true],
  ['POST', '/v1beta/models/gemini-2.5-pro%3AcountTokens', true],
  ['POST', '/model/claude/count-tokens', true],
  ['POST', '/publishers/anthropic/models/count-tokens:rawPredict', true],
  ['POST', '/tokenize', true],
  ['GET', '/models', true],
  ['HEAD', '/models/a', true],
  ['GET', '/api/tags', true],
  ['POST', '/api/show', true],
  // A server may run the model that such a path names.
  ['POST', '/models/a', false],
  ['POST', '/chat/completions', false],
  ['POST', '/messages', false],
  ['POST', '/messages/count_tokens/', false],
  ['POST', '/model/claude/converse', false],
  ['POST', '/model/us.anthropic.claude-opus-4-v1%3A0/count-tokens', true],
  ['POST', '/models/vendor/m:countTokens', true],
  // Some servers read these as calls that generate.
  ['POST', '/models/m:generateContent;x:countTokens', false],
  ['POST', '/models/m:generateContent%3Fx:countTokens', false],
  ['POST', '/models/m:generateContent%23:countTokens', false],
  ['POST', '/models/m:generateContent/x:countTokens', false],
  ['POST', '/models/m%3AgenerateContent%2fx%3AcountTokens', false],
  ['POST', '/model/m%2Fconverse%3B/count-tokens', false],
  ['POST', '/messages/count_tokens;x', false],
  ['POST', '/messages;/count_tokens', false],
  ['POST', '/Messages/count_tokens', false],
  ['POST', '/messages/count%5ftokens', false],
  ['POST', '/models/gemini-2.5-pro:generateContent', false],
  ['GET', '/responses/r1', false],
  ['POST', '/embeddings', false],
] as const) {
  test(`${method} ${path} is ${expected ? 'never' : ''} limited`, () =>
    assert.is(isExempt(method, path), expected))
}

test('without a price, a model costs as much as the dearest one, or what the config says, and is warned of once', () => {
  const lines: string[] = []
  const log = { warn: (_: object, message: string) => void lines.push(message) }
  const prices = Prices.from('own.json', {
    dear: { input_cost_per_token: 0.5, output_cost_per_token: 1, mode: 'chat' },
    cheap: { input_cost_per_token: 0.000001, output_cost_per_token: 0.000001, mode: 'chat' },
  })
  const models = new UnpricedModels('assume', prices, log)
  assert.is(models.assume('house', 2, 3), 4_000_000_000)
  assert.is(models.assume('house', 0, 0), 0)
  assert.is(lines.length, 1)
  assert.match(lines[0] ?? '', /house has no price.*dear/)
  models.follow({ input: 1.5, output: 2 })
  assert.is(models.assume('house', 1_000, 1), 1_502_000)
  assert.is(models.assume(null, 1, 0), 1_500)
  for (let n = 0; n < 2_000; n++) models.assume(`m${n}`, 1, 1)
  assert.is(lines.length, 1 + 1_000)
  // Sums beyond 2^53 are exact no more, and no fraction either.
  models.follow({ input: 1_000_000, output: 1_000_000 })
  assert.is(typeof models.assume('house', 1_000_000_000_000, 1), 'bigint')
  // No prices at all: the built-in ones say which is the dearest.
  assert.ok(Number(new UnpricedModels('assume', null, log).assume('house', 1_000, 1_000)) > 0)
})

test.run()
