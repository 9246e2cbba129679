import { MODEL } from '../wire/plan.js'
import type { Peer } from './peer.js'

// As in the benchmarks of its own project: one worker thread for one core, no log of requests, the model list of its
// section `llm`. Its pages for operators listen on ports that nobody else needs here.

export const AGENTGATEWAY: Peer = {
  name: 'agentgateway',
  title: 'agentgateway',
  language: 'Rust',
  program: 'agentgateway',
  modules: null,
  prefix: '',
  launch: ({ port, upstreamPort }) => ({
    files: { 'config.yaml': config(port, upstreamPort) },
    args: ['-f', 'config.yaml'],
    env: { RUST_LOG: 'error' },
    headers: ['authorization: Bearer sk-bench'],
    ready: null,
  }),
}

function config(port: number, upstreamPort: number): string {
  return `
config:
  workerThreads: 1
  adminAddr: 127.0.0.1:0
  statsAddr: 127.0.0.1:0
  readinessAddr: 127.0.0.1:0
  logging: { filter: "false" }
llm:
  port: ${port}
  models:
  - name: ${MODEL}
    provider: openAI
    params:
      model: ${MODEL}
      baseUrl: http://127.0.0.1:${upstreamPort}/v1
      apiKey: sk-bench
`
}
