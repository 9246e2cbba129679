import { MODEL } from '../wire/plan.js'
import type { Peer } from './peer.js'

// As in the benchmarks of its own repository: no audit log, no usage records, no metrics, no retries, a circuit breaker
// that never opens. Its list of models is given, because the bench's upstream has none.

export const GOMODEL: Peer = {
  name: 'gomodel',
  title: 'GoModel',
  language: 'Go',
  program: 'gomodel',
  modules: null,
  prefix: '',
  launch: ({ port, upstreamPort, folder }) => ({
    files: {},
    args: [],
    env: {
      PORT: String(port),
      OPENAI_BASE_URL: `http://127.0.0.1:${upstreamPort}/v1`,
      OPENAI_API_KEY: 'sk-bench',
      OPENAI_MODELS: MODEL,
      CONFIGURED_PROVIDER_MODELS_MODE: 'allowlist',
      GOMODEL_MASTER_KEY: '',
      LOGGING_ENABLED: 'false',
      USAGE_ENABLED: 'false',
      METRICS_ENABLED: 'false',
      ADMIN_ENDPOINTS_ENABLED: 'false',
      ADMIN_UI_ENABLED: 'false',
      DASHBOARD_LIVE_LOGS_ENABLED: 'false',
      MCP_ENABLED: 'false',
      ENABLE_PASSTHROUGH_ROUTES: 'false',
      RETRY_MAX_RETRIES: '0',
      CIRCUIT_BREAKER_FAILURE_THRESHOLD: '1000000000',
      LOG_LEVEL: 'error',
      STORAGE_TYPE: 'sqlite',
      SQLITE_PATH: `${folder}/gomodel.db`,
      GOMODEL_CACHE_DIR: `${folder}/cache`,
      GOMAXPROCS: '1',
    },
    headers: ['authorization: Bearer sk-bench'],
    ready: '/health',
  }),
}
