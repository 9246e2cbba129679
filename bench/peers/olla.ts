import type { Peer } from './peer.js'

// From its page "Performance Best Practices": its engine `olla`, the profile for streams, the balancer `priority`, no log
// of requests, no limits, health checks a minute apart, one search for models. Its API of OpenAI is below a prefix.

export const OLLA: Peer = {
  name: 'olla',
  title: 'olla',
  language: 'Go',
  program: 'olla',
  modules: null,
  prefix: '/olla/openai',
  launch: ({ port, upstreamPort }) => ({
    files: { 'config.yaml': config(port, upstreamPort) },
    args: ['--config', 'config.yaml'],
    env: { OLLA_LOG_LEVEL: 'error', OLLA_FILE_OUTPUT: 'false', GOMAXPROCS: '1' },
    headers: ['authorization: Bearer sk-bench'],
    ready: '/internal/health',
  }),
}

function config(port: number, upstreamPort: number): string {
  return `
server:
  host: 127.0.0.1
  port: ${port}
  write_timeout: 0s
  request_logging: false
  request_limits: { max_body_size: 104857600, max_header_size: 1048576 }
  rate_limits: { global_requests_per_minute: 0, per_ip_requests_per_minute: 0, health_requests_per_minute: 0 }
proxy:
  engine: olla
  profile: streaming
  load_balancer: priority
  connection_timeout: 120s
  response_timeout: 0s
  read_timeout: 0s
discovery:
  type: static
  model_discovery: { enabled: true, interval: 60m }
  static:
    endpoints:
      - url: http://127.0.0.1:${upstreamPort}
        name: bench
        type: openai
        priority: 100
        health_check_url: /v1/models
        check_interval: 60s
        check_timeout: 2s
logging: { level: error, format: json }
`
}
