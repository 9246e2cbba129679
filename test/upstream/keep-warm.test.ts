import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { KeepWarm, type WarmUpstream } from '../../src/upstream/keep-warm.js'

class FakeUpstream implements WarmUpstream {
  readonly name = 'up'
  usedAt = 0
  connected = 0
  lookedUp: string | null = 'api.example'
  warmed = 0
  renewed = 0
  failure: Error | null = null

  warm(): Promise<Error | null> {
    this.warmed++
    if (this.failure === null) this.connected = 1
    return Promise.resolve(this.failure)
  }

  renew(): void {
    this.renewed++
  }
}

interface Made {
  keepWarm: KeepWarm
  reported: string[]
  /** What the next lookup finds. */
  addresses: string[]
}

function make(): Made {
  const reported: string[] = []
  const made = { reported, addresses: ['192.0.2.1'] } as unknown as Made
  made.keepWarm = new KeepWarm(
    {
      onTrouble: (upstream, cause) => reported.push(`${upstream} ${cause}`),
      onMoved: (upstream) => reported.push(`${upstream} moved`),
    },
    (_host, callback) => callback(made.addresses),
  )
  return made
}

/** Lets promises settle. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('an upstream is connected at once, and again when its connection has gone', async () => {
  const { keepWarm } = make()
  const upstream = new FakeUpstream()
  await keepWarm.keep([upstream])
  assert.is(upstream.warmed, 1)
  keepWarm.tick(10_000)
  assert.is(upstream.warmed, 1)
  upstream.connected = 0
  keepWarm.tick(60_000)
  keepWarm.tick(60_001)
  await turn()
  assert.is(upstream.warmed, 2)
  keepWarm.close()
})

test('an upstream without requests for ten minutes is not reconnected until its next request', async () => {
  const { keepWarm } = make()
  const upstream = new FakeUpstream()
  await keepWarm.keep([upstream])
  upstream.connected = 0
  keepWarm.tick(600_001)
  assert.is(upstream.warmed, 1)
  upstream.usedAt = 600_002
  keepWarm.tick(600_003)
  assert.is(upstream.warmed, 2)
  keepWarm.close()
})

test('an unreachable upstream is tried less and less often, and reported once', async () => {
  const { keepWarm, reported } = make()
  const upstream = new FakeUpstream()
  upstream.failure = Object.assign(new Error('no'), { code: 'ECONNREFUSED' })
  await keepWarm.keep([upstream])
  // A clock of its own: far ahead of the machine's, so that the timer inside does nothing, and whole, so that sums are exact.
  const start = 1_000_000_000
  upstream.usedAt = start + 300_000
  const times: number[] = []
  for (let ms = 0; ms <= 200_000; ms += 1_000) {
    const before = upstream.warmed
    keepWarm.tick(start + ms)
    await turn()
    if (upstream.warmed > before) times.push(ms)
  }
  const waits = times.slice(1).map((ms, i) => ms - (times[i] as number))
  assert.equal(waits, [4_000, 8_000, 16_000, 32_000, 60_000, 60_000])
  assert.equal(reported, ['up ECONNREFUSED'])
  upstream.failure = null
  keepWarm.tick(start + 290_000)
  await turn()
  assert.is(upstream.connected, 1)
  keepWarm.close()
})

test('the connections are renewed when the name has only other addresses', async () => {
  const made = make()
  const { keepWarm, reported } = made
  const upstream = new FakeUpstream()
  await keepWarm.keep([upstream])
  keepWarm.tick(0)
  made.addresses = ['192.0.2.2', '192.0.2.1']
  keepWarm.tick(30_000)
  assert.is(upstream.renewed, 0)
  // A failed lookup changes nothing.
  made.addresses = []
  keepWarm.tick(60_000)
  made.addresses = ['192.0.2.9']
  keepWarm.tick(60_001)
  assert.is(upstream.renewed, 0)
  keepWarm.tick(90_000)
  assert.is(upstream.renewed, 1)
  assert.equal(reported, ['up moved'])
  keepWarm.tick(120_000)
  assert.is(upstream.renewed, 1)
  keepWarm.close()
})

test('an upstream that is configured by its address is not looked up', async () => {
  const { keepWarm, reported } = make()
  const upstream = new FakeUpstream()
  upstream.lookedUp = null
  await keepWarm.keep([upstream])
  for (let now = 0; now < 200_000; now += 30_000) keepWarm.tick(now)
  assert.is(upstream.renewed, 0)
  assert.equal(reported, [])
  keepWarm.close()
})

test('a change of the upstreams connects only the new ones, and drops the removed ones', async () => {
  const { keepWarm } = make()
  const [one, two] = [new FakeUpstream(), new FakeUpstream()]
  await keepWarm.keep([one])
  await keepWarm.keep([one, two])
  assert.equal([one.warmed, two.warmed], [1, 1])
  await keepWarm.keep([two])
  one.connected = 0
  keepWarm.tick(10_000)
  assert.is(one.warmed, 1)
  keepWarm.close()
})

test.run()
