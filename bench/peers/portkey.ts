import type { Peer } from './peer.js'

// As its page "Deployment" says for Node: the built server, without its console (`--headless`). It has no config file:
// each request names the provider and the host. Its cache is off unless a config asks for it.

export const PORTKEY: Peer = {
  name: 'portkey',
  title: 'Portkey',
  language: 'Node',
  program: 'node_modules/@portkey-ai/gateway/build/start-server.js',
  modules: ['peers/portkey-fetch.js'],
  prefix: '',
  launch: ({ port, upstreamPort }) => ({
    files: {},
    args: [`--port=${port}`, '--headless'],
    env: { NODE_ENV: 'production' },
    headers: [
      'authorization: Bearer sk-bench',
      'x-portkey-provider: openai',
      `x-portkey-custom-host: http://127.0.0.1:${upstreamPort}/v1`,
    ],
    ready: '/',
  }),
}
