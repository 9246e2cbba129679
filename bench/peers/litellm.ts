import { randomBytes } from 'node:crypto'
import { MODEL } from '../wire/plan.js'
import type { Peer } from './peer.js'

// From its pages "Production Best Practices" and "Server Tuning": one Uvicorn worker for one core, logs for errors only,
// nothing stored, no database. Granian, its other server, took as much CPU for a request or less, but stopped
// responding once under load, and leaves its worker behind when it is killed. It does not start without a key that it finds
// strong enough, and looks no key up elsewhere. The upstream's model is one that it knows, because it drops the field
// `user` for others. Without the local list of prices it waits for one from the network.

export const LITELLM: Peer = {
  name: 'litellm',
  title: 'LiteLLM',
  language: 'Python',
  program: 'bin/litellm',
  modules: null,
  prefix: '',
  launch: ({ port, upstreamPort }) => {
    const key = `sk-${randomBytes(24).toString('hex')}`
    return {
      files: { 'config.yaml': config(upstreamPort) },
      args: ['--config', 'config.yaml', '--host', '127.0.0.1', '--port', String(port), '--num_workers', '1'],
      env: {
        LITELLM_MASTER_KEY: key,
        LITELLM_MODE: 'PRODUCTION',
        LITELLM_LOG: 'ERROR',
        LITELLM_LOCAL_MODEL_COST_MAP: 'True',
        // Its default of 500 connections to one upstream makes the further streams of a bench wait without an end.
        AIOHTTP_CONNECTOR_LIMIT: '20000',
        AIOHTTP_CONNECTOR_LIMIT_PER_HOST: '20000',
      },
      headers: [`authorization: Bearer ${key}`],
      ready: '/health/liveliness',
    }
  },
}

function config(upstreamPort: number): string {
  return `
model_list:
  - model_name: ${MODEL}
    litellm_params:
      model: openai/gpt-4o
      api_base: http://127.0.0.1:${upstreamPort}/v1
      api_key: sk-bench
litellm_settings:
  num_retries: 0
  disable_streaming_logging: true
  disable_token_counter: true
  disable_end_user_cost_tracking: true
  turn_off_message_logging: true
general_settings:
  disable_spend_logs: true
`
}
