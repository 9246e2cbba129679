import { MODEL } from '../wire/plan.js'
import type { Peer } from './peer.js'

// From its pages "Performance Tuning" and "Client Configuration": a config file without a store (so no database and no
// page), no logs of requests, the pool at its default. It adds `/v1` to the upstream's address itself.

export const BIFROST: Peer = {
  name: 'bifrost',
  title: 'Bifrost',
  language: 'Go',
  program: 'bifrost-http',
  modules: null,
  prefix: '',
  launch: ({ port, upstreamPort, folder }) => ({
    files: { 'config.json': config(upstreamPort) },
    args: ['-host', '127.0.0.1', '-port', String(port), '-app-dir', folder, '-log-level', 'error'],
    env: { GOMAXPROCS: '1' },
    headers: ['authorization: Bearer sk-bench'],
    ready: '/health',
  }),
}

function config(upstreamPort: number): string {
  return JSON.stringify({
    client: { enable_logging: false, drop_excess_requests: false },
    providers: {
      openai: {
        keys: [{ name: 'bench', value: 'sk-bench', models: [MODEL], weight: 1 }],
        network_config: { base_url: `http://127.0.0.1:${upstreamPort}`, max_retries: 0 },
      },
    },
    config_store: { enabled: false },
    logs_store: { enabled: false },
  })
}
