import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { warmUpCode } from '../../src/app/warm-up.js'
import { startRelay } from '../support/relay.js'
import { until } from '../support/until.js'
import { ScriptedUpstream } from '../support/upstream.js'

/** What keeps this process alive, by kind. */
function handles(): string[] {
  return process
    .getActiveResourcesInfo()
    .filter((kind) => kind.includes('TCP'))
    .sort()
}

for (const mode of ['keys', 'off']) {
  test(`a warm-up with keys.mode ${mode} calls no upstream, records nothing and leaves nothing open`, async () => {
    const upstream = await ScriptedUpstream.start(() => {})
    // Few, so that no machine warns of its limit of open files.
    const relay = await startRelay(upstream.url, { keys: { mode }, limits: { connections: 100 } })
    // Sockets of the test before may still be closing.
    await until(() => handles().length === 2, 'the two listeners alone')
    await warmUpCode(relay.config)
    await until(() => handles().length === 2, 'the sockets of the warm-up to be closed')
    assert.is(upstream.connections, 0)
    assert.equal(relay.lines, [])
    assert.is(relay.inspect().openCount, 0)
    await relay.close()
    await upstream.close()
  })
}

test('a warm-up ends early where the limits of the config refuse its requests', async () => {
  const limits = [
    { bodyBytes: 1_024 },
    { bufferedBytes: 1_024 },
    { connections: 1 },
    { maxConcurrentRequests: 1 },
  ]
  for (const limit of limits) {
    const relay = await startRelay('http://127.0.0.1:9', { limits: limit })
    await warmUpCode(relay.config)
    assert.equal(relay.inspect().boundsHit, {})
    await relay.close()
  }
})

test('a warm-up is refused by no limit rule, uses nothing of one, and calls no webhook', async () => {
  const hook = await ScriptedUpstream.start(() => {})
  const rules = [
    { name: 'rates', requestsPerMinute: 1, tokensPerMinute: 1_000, concurrent: 1 },
    { name: 'tokens', tokens: { hour: 1, day: 1_000 } },
    { name: 'money', per: 'key', usd: { day: 0.000_001, month: 0.01 }, observe: true },
    { name: 'models', models: { allow: 'gpt-*' } },
  ]
  for (const unpriced of ['assume', 'deny']) {
    const limits = { rules, unpriced, alerts: { url: hook.url, at: [1, 50, 100] } }
    const relay = await startRelay('http://127.0.0.1:9', { limits })
    assert.ok((await warmUpCode(relay.config)) >= 10)
    assert.equal(relay.inspect().boundsHit, {})
    await relay.close()
  }
  assert.is(hook.connections, 0)
  await hook.close()
})

test('a warm-up ends at its time limit on a slow machine', async () => {
  const relay = await startRelay('http://127.0.0.1:9')
  // Every look at the clock is one second later than the one before.
  let looks = 0
  const answered = await warmUpCode(relay.config, () => 1_000 * looks++)
  assert.is(looks, 3)
  assert.is(answered, 10)
  await relay.close()
})

test.run()
