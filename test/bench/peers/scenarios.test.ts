import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Running } from '../../../bench/contestants.js'
import { PEERS } from '../../../bench/peers/list.js'
import { PEER_MEMORY, scenariosFor } from '../../../bench/peers/scenarios.js'
import type { Scenario, Stage } from '../../../bench/scenario.js'
import { SCENARIOS } from '../../../bench/scenarios.js'

const stage = {} as Stage

function running(name: string): Running {
  return { name } as Running
}

test('a gateway that fails is told by a word, once, and stops nothing; Thinwire stops the run', async () => {
  let calls = 0
  const requests: Scenario = {
    ...PEER_MEMORY,
    name: 'requests',
    measure: async (_, { name }) => {
      calls++
      if (name !== 'good') throw new Error(`${name}: answered HTTP/1.1 413 Too Large`)
    },
  }
  const failures = new Map<string, Map<string, string>>()
  const [wrapped] = scenariosFor([requests], ['good', 'bad'], failures)
  await wrapped?.measure(stage, running('good'))
  await wrapped?.measure(stage, running('bad'))
  await wrapped?.measure(stage, running('bad'))
  assert.is(calls, 2)
  assert.equal([...(failures.get('bad') ?? [])], [['requests', 'refused (413)']])
  assert.equal([...(failures.get('good') ?? [])], [])
  try {
    await wrapped?.measure(stage, running('thinwire'))
    assert.unreachable()
  } catch (error) {
    assert.match((error as Error).message, /413/)
  }
})

test('gateways are compared in scenarios that there are', () => {
  const names = scenariosFor(SCENARIOS, [], new Map()).map(({ name }) => name)
  for (const name of ['chunks', 'requests', 'peer-memory']) assert.ok(names.includes(name), name)
})

test('each gateway is started with its own port and the upstream of the bench', () => {
  for (const peer of PEERS) {
    const place = { port: 40_001, upstreamPort: 40_002, folder: '/tmp/own' }
    const { files, args, env, headers } = peer.launch(place)
    const all = JSON.stringify([files, args, env, headers])
    assert.match(all, '40001', peer.name)
    assert.match(all, '127.0.0.1:40002', peer.name)
    assert.ok(
      headers.some((header) => header.startsWith('authorization: Bearer ')),
      peer.name,
    )
  }
})

test.run()
