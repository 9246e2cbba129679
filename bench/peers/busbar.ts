import { MODEL } from '../wire/plan.js'
import type { Peer } from './peer.js'

// As in the benchmarks of its own project: one worker thread for one core, one provider of the protocol `openai`, which
// it passes through without a translation, more requests at once than the bench has, no state from an earlier run.

export const BUSBAR: Peer = {
  name: 'busbar',
  title: 'Busbar',
  language: 'Rust',
  program: 'busbar',
  modules: null,
  prefix: '',
  launch: ({ port, upstreamPort, folder }) => ({
    files: {
      'config.yaml': `
listen: "127.0.0.1:${port}"
providers:
  bench: { api_key: { env: BENCH_KEY } }
models:
  ${MODEL}: { provider: bench, max_concurrent: 20000 }
`,
      'providers.yaml': `
bench:
  protocol: openai
  base_url: http://127.0.0.1:${upstreamPort}
  error_map: {}
`,
    },
    args: [],
    env: {
      BUSBAR_CONFIG: `${folder}/config.yaml`,
      BUSBAR_PROVIDERS: `${folder}/providers.yaml`,
      BUSBAR_STATE_FILE: '',
      BUSBAR_WORKER_THREADS: '1',
      BENCH_KEY: 'sk-bench',
      RUST_LOG: 'error',
    },
    headers: ['authorization: Bearer sk-bench'],
    ready: '/healthz',
  }),
}
