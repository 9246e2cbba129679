import type { StoredKey } from '../../src/access/key-lines.js'
import type { RouteConfig } from '../../src/config/routes.js'
import { createRouteConfig } from '../../src/config/routes.js'
import type { UpstreamConfig } from '../../src/config/upstreams.js'
import type { DirectSource } from '../../src/direct/direct-list.js'
import { KEY } from '../support/key-record.js'

/** A moment of the tests, in epoch milliseconds. */
export const NOW = Date.parse('2026-06-01T12:00:00.500Z')

/** A config with the upstreams `openai` and `other`, of which the first takes everything. */
export const SOURCE: DirectSource = {
  direct: { upstream: 'openai', budgetedKeys: false, maxAgeSeconds: 60 },
  keys: { mode: 'keys', file: '/keys.jsonl', cutStreams: false },
  limitRules: { rules: [], unpriced: 'assume', alerts: { url: null, secret: null, at: [], maxQueued: 1 } },
  aliases: [],
  routes: [createRouteConfig('openai')],
  upstreams: [upstreamNamed('openai'), upstreamNamed('other')],
  listModels: 'aliases',
}

/** An upstream, as far as lists look at it. */
export function upstreamNamed(name: string, apis: UpstreamConfig['apis'] = null): UpstreamConfig {
  return { name, apis, cloud: null, keys: null, paths: 'plain' } as UpstreamConfig
}

/** A route to an upstream. */
export function routeTo(
  upstream: string,
  settings: Partial<RouteConfig> & { model?: string } = {},
): RouteConfig {
  const { model = null, ...others } = settings
  return { ...createRouteConfig(upstream), targets: [{ upstream, model, weight: 1 }], ...others }
}

export function keyWith(settings: Partial<StoredKey> = {}): StoredKey {
  return { ...KEY, ruleEntries: null, replaces: null, rotatedTo: null, ...settings }
}
