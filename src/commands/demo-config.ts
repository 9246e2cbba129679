import type { Config } from '../config/config.js'
import { createRouteConfig } from '../config/routes.js'
import { createUpstreamConfig } from '../config/upstreams.js'
import type { Demo } from '../demo/server.js'

/** Where the demo has its page, or at the next port that is free. */
const PAGE = { host: '127.0.0.1', port: 4001 }

/** The same config with the built-in demo as its only upstream, and with a page. */
export function useDemo(config: Config, demo: Pick<Demo, 'origin'>): Config {
  const upstream = createUpstreamConfig('demo', demo.origin, config.timeouts)
  const { listen, admin } = config
  const port = listen.port === PAGE.port ? PAGE.port + 1 : PAGE.port
  const page = admin.listen === null ? { ...admin, listen: { ...PAGE, port } } : admin
  return { ...config, upstreams: [upstream], routes: [createRouteConfig('demo')], admin: page }
}
