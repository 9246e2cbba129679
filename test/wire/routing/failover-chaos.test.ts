import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ChaosClients } from '../../support/chaos-clients.js'
import { ChaosJudge } from '../../support/chaos-judge.js'
import { MoodyUpstream } from '../../support/moody.js'
import { SEED } from '../../support/random.js'
import { startRelay } from '../../support/relay.js'
import { until, wait } from '../../support/until.js'

/** Requests of one relay: each round has other seeds, and looks for what is left over. */
const ROUND = 1_000

/** Rounds until a hedge and a third attempt were seen. */
const ROUNDS_MAX = 3

/** `CHAOS_REQUESTS=50000` makes many rounds; the suite makes a short one. */
const REQUESTS = Number(process.env.CHAOS_REQUESTS ?? 500)

const ENV = { KEY_K: 'sk-k-secret', KEY_L: 'sk-l-secret', KEY_M: 'sk-m-secret' }
const KEYS = ['k', 'l', 'm'].map((name) => ({ name, env: `KEY_${name.toUpperCase()}` }))

/** Nothing listens there. */
const NOWHERE = 'http://127.0.0.1:1/v1'

const toTargets = (names: string[]): object[] => names.map((upstream) => ({ upstream }))

const SETTINGS = {
  routes: [
    {
      model: 'storm',
      targets: toTargets(['d', 'e', 'f']),
      strategy: 'latency',
      hedge: true,
      firstTokenMs: 500,
    },
    { model: 'once', targets: toTargets(['a', 'b', 'c']), hedge: true, failover: false },
    { model: 'stormy once', targets: toTargets(['d', 'e', 'f']), strategy: 'weight', failover: false },
    { model: 'keys', targets: toTargets(['key', 'b', 'c']), firstTokenMs: 500 },
    { model: 'keys once', targets: toTargets(['key', 'b', 'c']), failover: false },
    { model: 'refused', targets: toTargets(['nowhere', 'a', 'b']), failover: false },
    { targets: toTargets(['a', 'b', 'c']), firstTokenMs: 500 },
  ],
  timeouts: {
    firstByteMs: 1_000,
    idleMs: 1_000,
    connectMs: 5_000,
    requestMs: 10_000,
    clientStallMs: 10_000,
    // A target at rest is not hedged with: with the usual minutes, all of them soon are.
    refusedKeyMs: 100,
    spentQuotaMs: 100,
  },
}

const MODELS = ['storm', 'once', 'stormy once', 'keys', 'keys once', 'refused', 'm']

/** Sockets, servers and timers that this process has. */
function listResources(): string {
  const kinds = process.getActiveResourcesInfo().filter((kind) => /^T(?:CP|LS|imeout)/.test(kind))
  return kinds.sort().join(' ')
}

/** @returns whether there were a hedge and a third attempt: a run without these is worthless */
async function runRound(count: number, seed: number): Promise<boolean> {
  // Not within the timer that has started the test.
  await wait(1)
  const before = listResources()
  const single = await Promise.all(
    ['a', 'b', 'c', 'd', 'e', 'f'].map((name, i) => MoodyUpstream.start(name, seed + i)),
  )
  const keyed = await MoodyUpstream.startWithKeys(['k', 'l', 'm'], seed + 6)
  const upstreams = [...single, ...keyed]
  const relay = await startRelay(
    {
      ...Object.fromEntries(single.map(({ name, server }) => [name, { baseUrl: server.url }])),
      key: { baseUrl: keyed[0]?.server.url, keys: KEYS },
      nowhere: { baseUrl: NOWHERE },
    },
    SETTINGS,
    ENV,
  )
  const clients = new ChaosClients(relay, upstreams, count, seed)
  const judge = new ChaosJudge(clients, upstreams)
  try {
    await clients.run()
    await until(() => relay.inspect().openCount === 0, 'every exchange to be settled')
    relay.app.flush()
    const told = relay.lines.filter((line) => 'end' in line)
    judge.inspect(await relay.records(told.length))
    const { problems } = judge
    if (problems.length > 0)
      assert.unreachable(
        `TEST_SEED=${seed}, ${problems.length} problems\n${problems.slice(0, 10).join('\n')}`,
      )

    const targets = MODELS.flatMap(
      (model) => relay.inspect().findRoute('/chat/completions', model, null)?.targets ?? [],
    )
    const isOver = (): boolean =>
      relay.inspect().bufferedBytes === 0 &&
      targets.every(({ breaker, upstream }) => breaker.inFlight === 0 && upstream.inFlight === 0)
    await until(isOver, `TEST_SEED=${seed}: all to be over`)
  } finally {
    await relay.close()
    for (const upstream of upstreams) await upstream.close()
  }
  await until(() => listResources() === before, `TEST_SEED=${seed}: no socket or timer to be left`)
  return clients.seenAll
}

test('a request succeeds if any of its targets is healthy, however and whenever the others fail', async () => {
  const failed: string[] = []
  let rounds = 0
  let seenAll = false
  // A busy machine may hedge nothing in a round: then there are more.
  for (let done = 0; done < REQUESTS || (!seenAll && rounds < ROUNDS_MAX); done += ROUND) {
    const count = Math.max(1, Math.min(ROUND, REQUESTS - done))
    const seed = SEED + rounds++
    await runRound(count, seed)
      .then((seen) => {
        seenAll ||= seen
      })
      .catch((error: Error) => failed.push(error.message))
  }
  if (failed.length > 0) assert.unreachable(failed.join('\n'))
  assert.ok(seenAll, 'nothing was hedged, or no third target was asked')
})

test.run()
