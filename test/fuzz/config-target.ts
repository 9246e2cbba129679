import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '../../src/config/config.js'
import { ConfigError } from '../../src/config/problems.js'

export const CONFIG: readonly Buffer[] = [
  {
    listen: '127.0.0.1:4000',
    upstreams: {
      openai: { preset: 'openai', apiKey: { env: 'A' }, limits: { maxConcurrentRequests: 3 } },
      gpu: {
        preset: 'vllm',
        baseUrl: 'http://10.0.0.7:8000',
        headers: { 'x-a': { env: 'A', prefix: 'Bearer ' } },
      },
    },
    routes: [
      { model: 'gpt-*', team: ['a', 'b'], targets: [{ upstream: 'gpu', weight: 2 }, { upstream: 'openai' }] },
    ],
    models: { 'team-fast': { upstream: 'gpu', model: 'm' } },
    modelTraits: [{ match: 'x*', api: 'chat' }],
  },
  {
    keys: { mode: 'off' },
    trustedProxies: ['10.0.0.0/8'],
    timeouts: { idleMs: 1000 },
    log: { level: 'warn' },
  },
  {
    limits: { exchanges: 5, answerBytes: 70000 },
    metrics: { listen: '[::1]:9464' },
    ledger: { prices: false },
  },
].map((config) => Buffer.from(JSON.stringify(config)))

let folder: string | null = null

/** A config is taken, or refused with a path and a remedy: nothing else is thrown. */
export function takeConfig(input: Buffer): void {
  folder ??= createFolder()
  const file = join(folder, 'thinwire.json')
  writeFileSync(file, input)
  try {
    loadConfig({ file, env: { A: 'secret-a' }, cwd: folder })
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    if (error.problems.length === 0) throw new Error('a config is refused without a reason')
    if (error.message.includes('secret-a')) throw new Error('a message repeats a secret')
  }
}

function createFolder(): string {
  const path = mkdtempSync(join(tmpdir(), 'thinwire-fuzz-'))
  process.once('exit', () => rmSync(path, { recursive: true, force: true }))
  return path
}
