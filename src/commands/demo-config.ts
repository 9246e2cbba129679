import type { Config } from '../config/config.js'
import { createRouteConfig } from '../config/routes.js'
import { createUpstreamConfig } from '../config/upstreams.js'
import type { Demo } from '../demo/server.js'

/** The same config with the built-in demo as its only upstream. */
export function useDemo(config: Config, demo: Pick<Demo, 'origin'>): Config {
  const upstream = createUpstreamConfig('demo', demo.origin, config.timeouts)
  return { ...config, upstreams: [upstream], routes: [createRouteConfig('demo')] }
}
