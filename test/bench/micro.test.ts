import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FORWARDED, piecesOf, promptOf, REQUEST_HEADERS, streamOf } from '../../bench/micro/fixtures.js'
import { copyHeaders, LONG, makePairs, parseEvents, parseForModel, scan } from '../../bench/micro/pairs.js'
import { completionWith, promptWith, readPlan, renumber, writePlan } from '../../bench/wire/plan.js'
import { filterRequestHeaders } from '../../src/http/request-headers.js'
import { peekFields } from '../../src/json/peek.js'

test('prompts have their size, and both ways find the same in them', () => {
  for (const bytes of [2_000, 100_000, 2_000_000]) {
    const body = promptOf(bytes)
    assert.ok(body.length >= bytes && body.length < 1.2 * bytes + 1_000, `${body.length}`)
    const { model, stream } = peekFields(body)
    assert.equal({ model: model?.value, stream: stream?.value }, parseForModel(body))
    assert.is(model?.value, 'gpt-x-test')
  }
})

test('both ways of filtering headers let the same ones through', () => {
  const ours = filterRequestHeaders(REQUEST_HEADERS, ['authorization', 'Bearer sk-bench-0000000000'], false)
  const names = ours.filter((_, i) => i % 2 === 0)
  assert.equal(names.sort(), [...FORWARDED].sort())
  assert.equal(Object.keys(copyHeaders(REQUEST_HEADERS)).sort(), [...FORWARDED].sort())
})

test('both ways of checking a key come to the same hash', () => {
  const pair = makePairs(LONG).find(({ figure }) => figure === 'key_check')
  assert.match(String(pair?.ours()), /^[0-9a-f]{64}$/)
  assert.is(pair?.ours(), pair?.usual.run())
})

test('a prompt of the wire benches carries its plan at its beginning, and has its size', () => {
  const plan = { json: 0, chunks: 150, every: 20, bytes: 200 }
  for (const bytes of [2_000, 100_000, 1_048_576]) {
    const body = promptWith(plan, bytes)
    assert.ok(Math.abs(body.length - bytes) < 0.1 * bytes + 800, `${body.length} of ${bytes}`)
    assert.equal(readPlan(body.toString('latin1', 0, 400)), plan)
  }
  assert.is(readPlan(writePlan(plan).slice(0, 20)), null)
})

test('a completion of the wire benches has its size, and another number makes it another one', () => {
  const plan = { json: 1_024, chunks: 0, every: 0, bytes: 0 }
  const body = completionWith(plan, 2_000, 7)
  assert.ok(Math.abs(body.length - 2_000) < 200, `${body.length}`)
  assert.equal(readPlan(body.toString('latin1', 0, 400)), plan)
  const request = Buffer.concat([Buffer.from('POST /v1/completions HTTP/1.1\r\n\r\n'), body])
  renumber(request, 8)
  assert.ok(request.subarray(-body.length).equals(completionWith(plan, 2_000, 8)))
  assert.not.ok(body.equals(completionWith(plan, 2_000, 8)))
})

test('both readers of events see the same, in pieces of any size', () => {
  const stream = streamOf(200)
  const wanted = { deltas: 200, promptTokens: 900 }
  for (const size of [100, 1_000, 16_384, stream.length]) {
    const seen = scan(piecesOf(stream, size))
    assert.equal(seen, parseEvents(piecesOf(stream, size)))
    assert.equal({ deltas: seen.deltas, promptTokens: seen.promptTokens }, wanted)
  }
})

test.run()
