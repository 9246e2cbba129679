import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Running } from '../../bench/contestants.js'
import type { Driver } from '../../bench/driver.js'
import type { Settings } from '../../bench/live-config.js'
import { Recorder } from '../../bench/recorder.js'
import { manyRoutes, ROUTING } from '../../bench/scenarios/routing.js'
import type { Jobs } from '../../bench/wire/jobs.js'
import { countTargets } from '../../src/admin/probes.js'
import { loadConfig } from '../../src/config/config.js'
import { Router } from '../../src/routing/router.js'
import { createUpstreams } from '../../src/upstream/upstream.js'

const FIRST: Settings = { upstreams: { openai: { baseUrl: 'http://127.0.0.1:1/v1' } } }

function routerOf(settings: Settings): Router {
  const cwd = mkdtempSync(join(tmpdir(), 'thinwire-test-'))
  writeFileSync(join(cwd, 'thinwire.json'), JSON.stringify(settings))
  const config = loadConfig({ env: {}, cwd })
  return new Router(config, createUpstreams(config))
}

/** A relay of which each request costs so much by its config and model, in a scenario that is measured once. */
async function measure(cost: (targets: number, model: string) => number): Promise<{
  readonly figures: Readonly<Record<string, number | undefined>>
  readonly configs: readonly number[]
}> {
  const configs: number[] = []
  let targets = 1
  let cpuUs = 0
  const driver = {
    run: async (_: string, { model, requests }: Jobs['answers']['ask']) => {
      cpuUs += requests * cost(targets, model)
      return { requests }
    },
  }
  const running = {
    name: 'thinwire',
    child: { read: async () => ({ cpuUs, rssBytes: 0, gcUs: null, loopDelayP99Us: null }) },
    reconfigure: async (settings: (first: Settings) => Settings, wanted: number) => {
      targets = countTargets(routerOf(settings(FIRST)).snapshotTargets(0)).closed
      assert.is(targets, wanted)
      configs.push(targets)
    },
  }
  const record = new Recorder()
  const stage = { driver: driver as unknown as Driver, record, mode: 'smoke' as const }
  await ROUTING.measure(stage, running as unknown as Running).catch((error: Error) => {
    assert.is(error.message, 'cut')
  })
  const figures = Object.fromEntries(record.series.map(({ figure, values }) => [figure, values[0]]))
  return { figures, configs }
}

test('of many routes it is the last that takes the request, and the name of the config is another upstream', () => {
  const router = routerOf(manyRoutes(FIRST))
  assert.ok(router.upstreams.length > 60)
  const last = router.findRoute('/chat/completions', 'bench-model', 'team1')?.targets[0]
  assert.equal([last?.upstream.name, last?.model], ['openai', null])
  const alias = router.findRoute('/chat/completions', 'team-fast', 'team1')?.targets[0]
  assert.equal([alias?.upstream.name, alias?.model], ['openai', 'bench-model-2025-08-07'])
  assert.is(router.findRoute('/chat/completions', 'bench-model', 'other'), null)
})

test('each way is measured with its own config and model', async () => {
  const { figures } = await measure((targets, model) =>
    targets === 1 ? 50 : model === 'team-fast' ? 52 : 51,
  )
  assert.equal(figures, { plain_cpu_per_request: 50, alias_cpu_per_request: 52, route_cpu_per_request: 51 })
})

test('whatever happens, the config is the first one again', async () => {
  const { figures, configs } = await measure((targets) => {
    if (targets === 1) return 50
    throw new Error('cut')
  })
  assert.equal(figures, {})
  assert.is(configs.at(-1), 1)
})

test('a relay whose config cannot be changed is reported', async () => {
  const stage = { driver: {} as unknown as Driver, record: new Recorder(), mode: 'smoke' as const }
  const measured = ROUTING.measure(stage, { name: 'nginx', reconfigure: null } as unknown as Running)
  assert.match(String(await measured.catch((error: Error) => error.message)), /nginx has no config/)
})

test.run()
