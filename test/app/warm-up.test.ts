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
  test(`a rehearsal with keys.mode ${mode} asks no upstream, counts nothing and leaves nothing open`, async () => {
    const upstream = await ScriptedUpstream.start(() => {})
    const relay = await startRelay(upstream.url, { keys: { mode } })
    // What the test before this one has closed may still be on its way out.
    await until(() => handles().length === 2, 'two listeners to be all there is')
    await warmUpCode(relay.config)
    await until(() => handles().length === 2, 'the sockets of the rehearsal to be gone')
    assert.is(upstream.connections, 0)
    assert.equal(relay.lines, [])
    assert.is(relay.handler.inFlight.size, 0)
    await relay.close()
    await upstream.close()
  })
}

test('a rehearsal ends where the limits of the config let no such request through', async () => {
  const limits = [{ bodyBytes: 1_024 }, { bufferedBytes: 1_024 }, { connections: 1 }, { exchanges: 1 }]
  for (const limit of limits) {
    const relay = await startRelay('http://127.0.0.1:9', { limits: limit })
    await warmUpCode(relay.config)
    assert.equal(relay.handler.bounds.snapshot(), {})
    await relay.close()
  }
})

test('a rehearsal on a machine that is too slow ends by the clock', async () => {
  const relay = await startRelay('http://127.0.0.1:9')
  const { now } = performance
  const began = now.call(performance)
  // Each look at the clock is a second later than the last.
  let looks = 0
  performance.now = () => began + 1_000 * looks++
  try {
    await warmUpCode(relay.config)
    assert.ok(looks < 200, `${looks} looks at the clock: it went on`)
  } finally {
    performance.now = now
    await relay.close()
  }
})

test.run()
