import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { AS_OF } from '../../src/ledger/price-table.js'
import { type LogLine, post, startRelay, type TestRelay } from '../support/relay.js'
import { until } from '../support/until.js'
import { ScriptedUpstream, whole } from '../support/upstream.js'

interface Context {
  folder: string
  upstream: ScriptedUpstream
  relays: TestRelay[]
}

const test = suite<Context>('prices of a relay')

test.before.each(async (context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'thinwire-prices-'))
  context.upstream = await ScriptedUpstream.start((request) =>
    request.write(
      whole(
        '200 OK',
        JSON.stringify({
          model: 'llama-9',
          choices: [{ message: { content: 'x' } }],
          usage: { prompt_tokens: 1_000, completion_tokens: 100 },
        }),
        'content-type: application/json',
      ),
    ),
  )
  context.relays = []
})
test.after.each(async ({ folder, upstream, relays }) => {
  for (const relay of relays) await relay.close()
  await upstream.close()
  rmSync(folder, { recursive: true, force: true })
})

const POLL_MS = 20

/** A relay with a price file, and one upstream of a preset. */
async function start(context: Context, preset: string, prices: unknown): Promise<TestRelay> {
  const file = join(context.folder, 'prices.json')
  writeFileSync(file, JSON.stringify(prices))
  const up = { preset, baseUrl: context.upstream.url, apiKey: { env: 'UPSTREAM_KEY' } }
  const settings = {
    ledger: { prices: file, flushMs: 1 },
    models: { fast: { upstream: 'up', model: 'llama-9' } },
  }
  const relay = await startRelay({ up }, settings, { UPSTREAM_KEY: 'sk-upstream-secret' }, POLL_MS)
  context.relays.push(relay)
  return relay
}

/** Asks once. @returns cost and source of the newest record */
async function bill(relay: TestRelay, count: number, model = 'llama-9'): Promise<unknown[]> {
  await post(relay, '/v1/chat/completions', JSON.stringify({ model }))
  const record = (await relay.records(count)).at(-1)
  return [record?.cost_usd, record?.price_source]
}

function linesOf(relay: TestRelay, text: string): LogLine[] {
  return relay.lines.filter(({ msg }) => String(msg).includes(text))
}

const price = (input: number, output: number): object => ({
  input_cost_per_token: input,
  output_cost_per_token: output,
})

test('a model below the name of its provider has its price, and an alias that of the model that answered', async (context) => {
  const relay = await start(context, 'groq', {
    'groq/llama-9': { ...price(1e-6, 4e-6), litellm_provider: 'groq' },
    fast: { ...price(7, 7), litellm_provider: 'openai' },
  })
  assert.equal(await bill(relay, 1), [0.0014, 'prices.json'])
  assert.equal(await bill(relay, 2, 'fast'), [0.0014, 'prices.json'])
})

test('an answer that names no model has the price of the model that was asked for', async (context) => {
  const silent = await ScriptedUpstream.start((request) =>
    request.write(
      whole(
        '200 OK',
        '{"usage":{"prompt_tokens":1000,"completion_tokens":100}}',
        'content-type: application/json',
      ),
    ),
  )
  const file = join(context.folder, 'prices.json')
  writeFileSync(file, JSON.stringify({ 'llama-9': price(1e-6, 4e-6), 'gpt-4o': price(7, 7) }))
  const relay = await startRelay(
    { up: { baseUrl: silent.url } },
    { ledger: { prices: file }, models: { 'gpt-4o': { upstream: 'up', model: 'llama-9' } } },
  )
  context.relays.push(relay)
  try {
    assert.equal(await bill(relay, 1, 'gpt-4o'), [0.0014, 'prices.json'])
    assert.equal(await bill(relay, 2, 'llama-9'), [0.0014, 'prices.json'])
    assert.equal(await bill(relay, 3, 'gpt-4o-mini'), [0.00021, `built-in ${AS_OF}`])
  } finally {
    await silent.close()
  }
})

test('a file with a byte order mark is taken by a running relay', async (context) => {
  const relay = await start(context, 'groq', { 'llama-9': price(1e-6, 4e-6) })
  assert.equal(await bill(relay, 1), [0.0014, 'prices.json'])
  writeFileSync(
    join(context.folder, 'prices.json'),
    `\ufeff${JSON.stringify({ 'llama-9': price(2e-6, 8e-6) })}`,
  )
  await until(() => linesOf(relay, 'price').length > 0, 'the log to tell of the prices')
  assert.equal(await bill(relay, 2), [0.0028, 'prices.json'])
})

test('a model of another provider, and one without a price, have no cost', async (context) => {
  const relay = await start(context, 'xai', {
    'groq/llama-9': price(1e-6, 4e-6),
    fast: { ...price(7, 7), litellm_provider: 'openai' },
  })
  assert.equal(await bill(relay, 1), [null, null])
  assert.equal(await bill(relay, 2, 'fast'), [null, null])
})

test('a response from the cache has saved what it would have cost at the upstream that made it', async (context) => {
  const relay = await start(context, 'groq', { 'groq/llama-9': price(1e-6, 4e-6) })
  const body = JSON.stringify({ model: 'llama-9', max_tokens: 20, temperature: 0, messages: [] })
  for (let time = 0; time < 2; time++) await post(relay, '/v1/chat/completions', body)
  const [miss, hit] = await relay.records(2)
  assert.equal([miss?.cache, miss?.cost_usd, miss?.saved_usd], ['miss', 0.0014, null])
  assert.equal([hit?.cache, hit?.cost_usd, hit?.saved_usd], ['hit', 0, 0.0014])
})

test('a cost stands in the file as an exact decimal number', async (context) => {
  const relay = await start(context, 'groq', { 'groq/llama-9': price(1e-12, 0) })
  assert.equal(await bill(relay, 1), [1e-9, 'prices.json'])
  const name = readdirSync(relay.config.ledger.folder).find((one) => one.startsWith('usage-')) ?? ''
  assert.match(readFileSync(join(relay.config.ledger.folder, name), 'utf8'), /"cost_usd":0\.000000001,/)
})

test('a changed price file applies to later records; a broken one is refused once, and the old prices stay', async (context) => {
  const relay = await start(context, 'groq', { 'groq/llama-9': price(1e-6, 4e-6) })
  const file = join(context.folder, 'prices.json')
  const replace = (text: string): void => {
    writeFileSync(`${file}.new`, text)
    renameSync(`${file}.new`, file)
  }
  assert.equal(await bill(relay, 1), [0.0014, 'prices.json'])

  replace(JSON.stringify({ 'groq/llama-9': price(2e-6, 8e-6) }))
  await until(() => linesOf(relay, 'the price file was read again').length === 1, 'the new prices')
  assert.equal(await bill(relay, 2), [0.0028, 'prices.json'])

  let refused = 0
  for (const [text, fault] of [
    ['{"groq/llama-9":', 'it is not JSON'],
    ['[]', 'prices.json must be an object with an entry for each model'],
    ['{}', 'prices.json has no model with input_cost_per_token and output_cost_per_token'],
    [
      JSON.stringify({ 'groq/llama-9': price(-1, 1) }),
      'prices.json: groq/llama-9.input_cost_per_token must be a number of US dollars for one token',
    ],
  ] as const) {
    replace(text)
    refused++
    await until(() => linesOf(relay, 'is not used').length >= refused, fault)
    assert.equal(await bill(relay, 2 + refused), [0.0028, 'prices.json'])
    const warning = linesOf(relay, 'is not used')[refused - 1]
    assert.is(warning?.msg, `the price file ${file} is not used, the relay keeps its prices: ${fault}`)
    assert.is(warning?.level, 50)
  }

  replace(JSON.stringify({ 'groq/llama-9': price(3e-6, 3e-6) }))
  await until(() => linesOf(relay, 'the price file was read again').length === 2, 'the mended prices')
  assert.equal(await bill(relay, 7), [0.0033, 'prices.json'])
  // Each fault was reported once, although the file was looked at many times.
  assert.is(linesOf(relay, 'is not used').length, refused)
})

test('prices follow a new config: another preset, other names in the price file', async (context) => {
  const relay = await start(context, 'groq', {
    'groq/llama-9': price(1e-6, 4e-6),
    'xai/llama-9': price(2e-6, 8e-6),
  })
  assert.equal(await bill(relay, 1), [0.0014, 'prices.json'])
  const file = relay.config.file as string
  const settings = JSON.parse(readFileSync(file, 'utf8'))
  settings.upstreams.up.preset = 'xai'
  writeFileSync(file, JSON.stringify(settings))
  await until(
    () => linesOf(relay, 'the config was read again and is in use now').length === 1,
    'the new config',
  )
  assert.equal(await bill(relay, 2), [0.0028, 'prices.json'])
})

test.run()
