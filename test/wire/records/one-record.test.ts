import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { PHASES } from '../../../src/exchange/outcome.js'
import { AS_OF } from '../../../src/ledger/price-table.js'
import { recordSchema } from '../../../src/ledger/schema.js'
import { CHAT_STREAM } from '../../support/fixtures.js'
import { FIELDS, REQUIRED_FIELDS } from '../../support/ledger.js'
import { OK, type Scene, withRelay } from '../../support/scene.js'
import { CHUNKED, chunk, head, LAST_CHUNK, type Received, SSE, whole } from '../../support/upstream.js'

const BODY = JSON.stringify({
  model: 'gpt-x',
  stream: true,
  messages: [{ role: 'user', content: 'the prompt' }],
})

function post(scene: Scene, path = '/v1/chat/completions', headers = ''): string {
  return `POST ${path} HTTP/1.1\r\n${scene.auth}${headers}content-length: ${BODY.length}\r\n\r\n${BODY}`
}

/** Sends a chat stream, or a failure for some paths. */
async function script(request: Received): Promise<void> {
  switch (request.target) {
    case '/v1/reset':
      return request.reset()
    case '/v1/cut':
      await request.write(
        `${head('200 OK', SSE, CHUNKED)}${chunk('data: {"choices":[{"delta":{"content":"x"}}]}\n\n')}`,
      )
      return request.end()
    case '/v1/hang':
      await request.write(head('200 OK', SSE, CHUNKED))
      return request.hang()
    case '/v1/limited':
      return request.write(
        whole('429 Too Many Requests', '{"error":{"message":"slow down"}}', 'content-type: application/json'),
      )
    default:
      return request.write(`${head('200 OK', SSE, CHUNKED)}${chunk(CHAT_STREAM)}${LAST_CHUNK}`)
  }
}

test('a credential that was pasted into a model, path or user agent is neither in the log nor in the ledger', () =>
  withRelay(OK, async (scene) => {
    const names = [scene.relay.key, scene.relay.key.slice(0, -20), 'sk-ant-api03-abcdefghijklmnop']
    for (const [i, name] of names.entries()) {
      const body = JSON.stringify({ model: `my ${name}` })
      const request = `POST /v1/x/${name} HTTP/1.1\r\n${scene.auth}user-agent: ${name}\r\ncontent-length: ${body.length}`
      // A path with a whole key of the relay goes nowhere.
      assert.is((await scene.ask(`${request}\r\n\r\n${body}`)).status, i === 0 ? 400 : 200)
      const line = (await scene.relay.requests(i + 1))[i]
      assert.equal([line?.model, line?.path], ['my ***', '/v1/x/***'])
      const record = (await scene.relay.records(i + 1))[i]
      assert.equal([record?.model, record?.route, record?.user_agent], ['my ***', '/v1/x/***', '***'])
      assert.not.match(JSON.stringify([scene.relay.lines, record]), name)
    }
  }))

test('a request leaves one record with key, model, tokens and times, and none of its text', () =>
  withRelay(script, async (scene) => {
    const trace = '4bf92f3577b34da6a3ce929d0e0e4736'
    const headers = `user-agent: Cursor/1 sk-pasted-0000000000\r\ntraceparent: 00-${trace}-00f067aa0ba902b7-01\r\n`
    await scene.relayed(post(scene, '/v1/chat/completions?api-key=in-the-query', headers))
    const [record, ...others] = await scene.relay.records(1)
    assert.is(others.length, 0)
    // The first of a batch.
    assert.equal(Object.keys(record ?? {}), [...REQUIRED_FIELDS, 'chain'])
    const {
      id,
      writer,
      ts,
      key,
      read_ms,
      ttft_ms,
      upstream_ttfb_ms,
      total_ms,
      overhead_us,
      chain,
      ...untimed
    } = record ?? {}
    const { admit_us, read_us, plan_us, cache_us, attempt_us, respond_us, ...rest } = untimed
    assert.match(String(id), /^tw-/)
    assert.match(String(writer), /^w-[0-9a-f]{12}$/)
    assert.match(String(chain), /^[0-9a-f]{32}$/)
    assert.is(new Date(String(ts)).toISOString(), ts)
    assert.match(String(key), /^k_[0-9a-f]{10}$/)
    for (const time of [read_ms, ttft_ms, upstream_ttfb_ms, total_ms, overhead_us])
      assert.ok(Number(time) >= 0)
    for (const share of [admit_us, read_us, plan_us, cache_us, attempt_us, respond_us])
      assert.ok(Number(share) >= 0)
    assert.equal(rest, {
      v: 1,
      seq: 1,
      env: 'test',
      team: 'team1',
      user: 'user1',
      route: '/v1/chat/completions',
      dialect: 'openai',
      request_class: 'chat',
      model: 'gpt-x',
      upstream_model: 'gpt-fixture',
      upstream: 'up',
      attempts: 1,
      failed_attempts: null,
      dropped_fields: null,
      stream: true,
      status: 200,
      end: 'done',
      phase: 'respond',
      cache: null,
      prompt_tokens: 47,
      cached_tokens: 32,
      cache_write_tokens: null,
      completion_tokens: 11,
      reasoning_tokens: 0,
      usage_source: 'upstream',
      cost_usd: null,
      price_source: null,
      saved_tokens: null,
      saved_usd: null,
      bytes_in: BODY.length,
      bytes_out: CHAT_STREAM.length,
      events: 7,
      unparsed_events: 0,
      unread_events: 0,
      tool_calls: 1,
      finish_reason: 'tool_calls',
      stream_error: null,
      gap_max_ms: null,
      user_agent: 'Cursor/1 ***',
      trace_id: trace,
      client_address: '127.0.0.1',
      upstream_request_id: null,
      error_code: null,
    })
    assert.not.match(JSON.stringify(record), /the prompt|in-the-query|sk-|naïve/)
  }))

test('the table in FIELDS.md has every field of a record, and no other', () => {
  const reference = readFileSync(new URL('../../../../src/ledger/FIELDS.md', import.meta.url), 'utf8')
  const table = reference.slice(reference.indexOf('## Fields'), reference.indexOf('## How a request ends'))
  const named = [...table.matchAll(/^\| ((?:`\w+` )+)\|/gm)].flatMap(
    ([, names]) => names?.match(/\w+/g) ?? [],
  )
  assert.equal(named.sort(), [...FIELDS].sort())
})

test('the tables in FIELDS.md have every end reason and every phase, and no other', () => {
  const reference = readFileSync(new URL('../../../../src/ledger/FIELDS.md', import.meta.url), 'utf8')
  const [ends = '', phases = ''] = reference
    .slice(reference.indexOf('## How a request ends'), reference.indexOf('## Token counts'))
    .split('## Phases')
  // The first match is the row of column titles.
  const names = (table: string) => [...table.matchAll(/^\| `(\w+)` \|/gm)].slice(1).map(([, name]) => name)
  assert.equal(names(ends), recordSchema.shape.end.options)
  assert.equal(names(phases), [...PHASES])
})

test('a request leaves one record however it ends, and probes of the relay leave none', () =>
  withRelay(script, async (scene) => {
    const probe = 'HTTP/1.1\r\nhost: relay\r\n\r\n'
    for (const line of ['GET /readyz', 'GET /', 'OPTIONS /v1/chat/completions'])
      await scene.ask(`${line} ${probe}`)
    await scene.ask(`GET /v1/models ${probe}`)
    for (const path of ['/v1/reset', '/v1/limited', '/v1/./odd']) await scene.ask(post(scene, path))
    const cut = await scene.client()
    cut.send(post(scene, '/v1/cut'))
    await cut.closed()
    const gone = await scene.client()
    gone.send(post(scene, '/v1/hang'))
    await gone.sees('\r\n\r\n')
    gone.destroy()
    const records = await scene.relay.records(6)
    assert.equal(
      records.map(({ route, end, status, usage_source, error_code }) => [
        route,
        end,
        status,
        usage_source,
        error_code,
      ]),
      [
        ['/v1/models', 'refused', 401, 'none', 'missing_api_key'],
        ['/v1/reset', 'upstream_failed', 502, 'none', 'upstream_cut'],
        ['/v1/limited', 'done', 429, 'none', null],
        ['/v1/', 'refused', 400, 'none', 'invalid_path'],
        ['/v1/cut', 'upstream_cut', 200, 'none', 'upstream_cut'],
        ['/v1/hang', 'client_gone', 200, 'none', null],
      ],
    )
    assert.equal(
      records.map(({ seq }) => seq),
      [1, 2, 3, 4, 5, 6],
    )
  }))

test('a request for the list of models has a record with its user', () =>
  withRelay(
    script,
    async (scene) => {
      await scene.ask(`GET /v1/models HTTP/1.1\r\n${scene.auth}\r\n`)
      const [record] = await scene.relay.records(1)
      assert.is(record?.end, 'local')
      assert.is(record?.route, '/models')
      assert.is(record?.user, 'user1')
    },
    { models: { fast: { upstream: 'up', model: 'gpt-x' } } },
  ))

test('a record has the cost of its tokens by the configured price table', () => {
  const folder = mkdtempSync(join(tmpdir(), 'thinwire-prices-'))
  const file = join(folder, 'prices.json')
  writeFileSync(
    file,
    JSON.stringify({
      'gpt-fixture': {
        input_cost_per_token: 1e-6,
        cache_read_input_token_cost: 1e-7,
        output_cost_per_token: 4e-6,
      },
    }),
  )
  return withRelay(
    script,
    async (scene) => {
      await scene.relayed(post(scene))
      await scene.ask(post(scene, '/v1/limited'))
      const [priced, unpriced] = await scene.relay.records(2)
      // 15 fresh, 32 cached and 11 completion tokens.
      assert.is(priced?.cost_usd, 0.0000622)
      assert.is(priced?.price_source, 'prices.json')
      assert.is(unpriced?.cost_usd, null)
      assert.is(unpriced?.price_source, null)
    },
    { ledger: { prices: file } },
  ).finally(() => rmSync(folder, { recursive: true }))
})

/** A response of a common model, with its dated name. */
const COMMON = JSON.stringify({
  model: 'gpt-4.1-mini-2025-04-14',
  choices: [{ message: { content: 'x' } }],
  usage: { prompt_tokens: 1_000, completion_tokens: 100, prompt_tokens_details: { cached_tokens: 400 } },
})

function respondCommon(request: Received): Promise<void> {
  return request.write(whole('200 OK', COMMON, 'content-type: application/json'))
}

test('a common model has a built-in price, unless ledger.prices is false', async () => {
  const ask = async (scene: Scene): Promise<unknown[]> => {
    await scene.relayed(post(scene))
    const [record] = await scene.relay.records(1)
    return [record?.cost_usd, record?.price_source]
  }
  await withRelay(respondCommon, async (scene) => {
    // 600 x 0.40, 400 x 0.10 and 100 x 1.60 dollars per million tokens.
    assert.equal(await ask(scene), [0.00044, `built-in ${AS_OF}`])
  })
  await withRelay(respondCommon, async (scene) => assert.equal(await ask(scene), [null, null]), {
    ledger: { prices: false },
  })
})

test('readyz shows the state of the ledger', () =>
  withRelay(script, async (scene) => {
    await scene.relayed(post(scene))
    await scene.relay.records(1)
    const ready = await scene.ask('GET /readyz HTTP/1.1\r\nhost: relay\r\n\r\n')
    assert.equal(JSON.parse(ready.body.toString()).ledger, {
      stalled: null,
      queued_bytes: 0,
      written: 1,
      dropped: 0,
    })
  }))

test.run()
