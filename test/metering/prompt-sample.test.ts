import { encode } from 'gpt-tokenizer/encoding/o200k_base'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { PromptSample } from '../../src/metering/prompt-sample.js'
import { TokenEstimator } from '../../src/metering/token-estimator.js'
import { fc } from '../support/property.js'
import { median, TEXTS } from './texts.js'

function tokensOf(body: unknown, chunkSize = 64 * 1024): number {
  const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
  const chunks: Buffer[] = []
  for (let at = 0; at < bytes.length; at += chunkSize) chunks.push(bytes.subarray(at, at + chunkSize))
  return PromptSample.of(chunks).estimateTokens()
}

function chat(...texts: string[]): unknown {
  const messages = texts.map((content, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content }))
  return { model: 'gpt-x', messages, stream: true, temperature: 0.2 }
}

/** As OpenAI counts a chat: three tokens for each message and three for the reply. */
function trueTokens(...texts: string[]): number {
  return texts.reduce((sum, text) => sum + encode(text).length + 3, 3) + texts.length
}

for (const [kind, texts] of Object.entries(TEXTS)) {
  const small = texts.map((text) => Math.abs(tokensOf(chat(text)) / trueTokens(text) - 1))
  const bodies = [0, 1, 2, 3].map((start) =>
    Array.from({ length: 60 }, (_, i) => texts[(start + i) % texts.length] ?? ''),
  )
  const large = bodies.map((body) => Math.abs(tokensOf(chat(...body)) / trueTokens(...body) - 1))
  const errors = `${(median(small) * 100).toFixed(1)} % off alone, ${(median(large) * 100).toFixed(1)} % sixty together`
  test(`a prompt of ${kind} is estimated to less than a tenth in the median: ${errors}`, () => {
    assert.ok(median(small) < 0.1, errors)
    assert.ok(median(large) < 0.1, errors)
  })
}

test('the estimate of a large prompt does not depend on its chunks', () => {
  const body = chat(...TEXTS.english, ...TEXTS.korean)
  const whole = tokensOf(body)
  for (const size of [4_000, 1_460, 997, 100, 7, 1])
    assert.is(tokensOf(body, size), whole, `chunks of ${size}`)
})

test('a small prompt is copied into one buffer, however many chunks it came in', () => {
  const bytes = Buffer.from(JSON.stringify(chat('Rename the function and all of its callers, please.')))
  const sample = PromptSample.of(Array.from(bytes, (_, i) => bytes.subarray(i, i + 1)))
  const before = sample.estimateTokens()
  bytes.fill(0)
  assert.is(sample.estimateTokens(), before)
  assert.is(before, tokensOf(chat('Rename the function and all of its callers, please.')))
})

test('a sample of a large prompt does not need the bytes it was taken from', () => {
  const bytes = Buffer.from(JSON.stringify(chat(TEXTS.english.join('\n').repeat(10))))
  const sample = PromptSample.of([bytes])
  const before = sample.estimateTokens()
  bytes.fill(0)
  assert.is(sample.estimateTokens(), before)
})

/** The estimate of a large body by windows that are decoded as texts. */
function estimateByTexts(body: Buffer): number {
  let tokens = 0
  for (let n = 0; n < 32; n++) {
    const start = Math.floor(((body.length - 128) * n) / 31)
    const text = body.toString('latin1', start, start + 128)
    if (/^[A-Za-z0-9+/_=-]+$/.test(text)) continue
    const decoded = text.replace(/\\(?:u([0-9a-f]{4})|(.))/gis, (_, code?: string, letter?: string) => {
      if (code !== undefined)
        return Buffer.from(String.fromCharCode(Number.parseInt(code, 16))).toString('latin1')
      return letter === 'n' || letter === 'r' ? '\n' : letter === 't' ? '\t' : (letter ?? '')
    })
    const estimator = new TokenEstimator()
    estimator.takeAll(Buffer.from(decoded, 'latin1'))
    tokens += Math.max(0, estimator.tokens - 1)
  }
  return Math.round((tokens * body.length) / 4096)
}

test('the windows of a large prompt count as their decoded texts, wherever they cut an escape', () => {
  const part = fc.constantFrom(
    ...['\\n', '\\r', '\\t', '\\b', '\\"', '\\\\', '\\u00e9', '\\U0041', '\\ud83e\\udd8a', '\\u12g4', '\\'],
    ...['word ', 'Camel', '12345', '  ', '{"a":', 'é', '함수', '🦊', '\n', 'iVBORw0K'.repeat(40)],
  )
  fc.assert(
    fc.property(fc.array(part, { minLength: 40, maxLength: 200 }), (parts) => {
      const body = Buffer.from(parts.join('').repeat(Math.ceil(5_000 / parts.join('').length)))
      assert.is(PromptSample.of([body]).estimateTokens(), estimateByTexts(body))
    }),
    { numRuns: 300 },
  )
})

test('texts count wherever an API has them, and an image does not count', () => {
  const text = 'Rename the function and all of its callers, please.'
  const words = encode(text).length
  const image = `data:image/png;base64,${'iVBORw0KGgo'.repeat(100)}`
  const bodies: Record<string, unknown> = {
    prompt: { model: 'm', prompt: text },
    'prompt and suffix': {
      model: 'm',
      prompt: 'Rename the function and all',
      suffix: ' of its callers, please.',
    },
    parts: {
      model: 'm',
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text },
            { type: 'image_url', image_url: { url: image } },
          ],
        },
      ],
    },
    responses: {
      model: 'm',
      instructions: text,
      input: [{ role: 'user', content: [{ type: 'input_text', text: '' }] }],
    },
    messages: { model: 'm', system: [{ type: 'text', text }], messages: [{ role: 'user', content: '' }] },
  }
  for (const [name, body] of Object.entries(bodies)) {
    const tokens = tokensOf(body)
    assert.ok(tokens >= words - 2 && tokens <= words + 10, `${name}: ${tokens} for ${words}`)
  }
})

test('an image in a large prompt does not count as text', () => {
  const image = 'iVBORw0KGgoAAAANSUhEUgAAAAUA'.repeat(20_000)
  const words = 'Say what is on it. '.repeat(1_500)
  const alone = tokensOf(chat(words))
  const both = tokensOf({
    model: 'm',
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: words },
          { type: 'image_url', image_url: { url: image } },
        ],
      },
    ],
  })
  // A quarter of a token for each of its bytes would be 140,000.
  assert.ok(both < alone * 2.5, `${both} beside ${alone}`)
})

test('escaped letters in a large prompt count as the letters they stand for', () => {
  const body = JSON.stringify(chat(...TEXTS.korean, ...TEXTS.korean))
  const escaped = body.replace(
    /[\u0080-\uffff]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  const off = Math.abs(tokensOf(escaped) / tokensOf(body) - 1)
  assert.ok(off < 0.15, String(off))
})

test('a body that is empty or no JSON has some estimate and causes no error', () => {
  for (const body of ['', '{', '[]', 'null', '7', '{"messages":7}', 'not JSON at all', '\ufeff{"a":1}'])
    assert.ok(tokensOf(body) >= 0, body)
  assert.ok(tokensOf('x'.repeat(10_000)) >= 0)
})

test.run()
