import * as assert from 'uvu/assert'
import type { Route, Target } from '../../src/routing/route.js'
import type { Response } from './client.js'
import { type LogLine, post, startRelay, type TestRelay } from './relay.js'
import { until } from './until.js'
import { type Script, ScriptedUpstream } from './upstream.js'

const BODY = '{"model":"m","messages":[],"stream":true}'

/** A relay in front of several scripted upstreams, `a`, `b` and so on, tried in this order. */
export interface Targets {
  readonly relay: TestRelay
  readonly upstreams: readonly ScriptedUpstream[]
  /** Posts a body to a path, on a connection of its own. */
  ask(path?: string, body?: string): Promise<Response>
  /** The record of the n-th request, from 0. */
  record(n?: number): Promise<LogLine>
}

export interface TargetSettings {
  readonly route?: Record<string, unknown>
  readonly settings?: Record<string, unknown>
  /** Of each upstream. */
  readonly entry?: Record<string, unknown>
}

/** Runs a test's act, and asserts that no request is counted as open after it. */
export async function withTargets(
  scripts: readonly (Script | readonly Script[])[],
  act: (targets: Targets) => Promise<void>,
  { route = {}, settings = {}, entry = {} }: TargetSettings = {},
): Promise<void> {
  const upstreams = await Promise.all(scripts.map((script) => ScriptedUpstream.start(script)))
  const entries = upstreams.map(({ url }, i) => [nameOf(i), { baseUrl: url, ...entry }] as const)
  const relay = await startRelay(Object.fromEntries(entries), {
    routes: [{ targets: entries.map(([upstream]) => ({ upstream })), ...route }],
    ...settings,
  })
  const ask = (path = '/v1/chat/completions', body = BODY): Promise<Response> => post(relay, path, body)
  try {
    await act({
      relay,
      upstreams,
      ask,
      record: async (n = 0) => (await relay.records(n + 1))[n] as LogLine,
    })
    await assertIdle(relay)
  } finally {
    await relay.close()
    for (const upstream of upstreams) await upstream.close()
  }
}

/** Asserts that no request is open, and that no memory is held. */
export async function assertIdle(relay: TestRelay): Promise<void> {
  const counts = (): readonly number[] => [
    relay.inspect().openCount,
    relay.inspect().bufferedBytes,
    ...relay.inspect().upstreams.map(({ inFlight }) => inFlight),
    ...targetsOf(relay).map(({ breaker }) => breaker.inFlight),
  ]
  const isIdle = (): boolean => counts().every((count) => count === 0)
  await until(isIdle, 'everything to be over').catch(() => assert.is(counts().join(' '), 'all 0'))
}

/** Teaches the first target's latency, so that a second one is tried after about `ms`, and fills the hedge budget. */
export function expectHedgesAfter(relay: TestRelay, ms: number): void {
  const route = routeOf(relay)
  for (let i = 0; i < 100; i++) route.hedges.count()
  for (let i = 0; i < 20; i++) route.targets[0]?.breaker.latency.observe(performance.now(), ms)
}

export function targetsOf(relay: TestRelay): readonly Target[] {
  return routeOf(relay).targets
}

function routeOf(relay: TestRelay): Route {
  const route = relay.inspect().findRoute('/chat/completions', 'm', null)
  if (route === null) throw new Error('there is no route')
  return route
}

function nameOf(place: number): string {
  return String.fromCharCode(0x61 + place)
}
