import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '../../src/config/config.js'
import type { Made } from '../rollups/made-requests.js'

/** A folder for a ledger, and what keeps the process alive: rollups alone would let it end. */
export interface RollupPlace {
  folder: string
  held: NodeJS.Timeout
}

export function openRollupPlace(place: RollupPlace): void {
  place.folder = mkdtempSync(join(tmpdir(), 'thinwire-rollups-'))
  place.held = setInterval(() => {}, 1_000)
}

export function clearRollupPlace({ folder, held }: RollupPlace): void {
  clearInterval(held)
  rmSync(folder, { recursive: true, force: true })
}

export const LOG = { warn() {}, info() {}, error() {} }

/** A request of which nothing is unusual. */
export const PLAIN: Made = {
  ...{ key: 1, model: 'm1', upstream: 'openai', end: 'done', status: 200, streamError: null, prompt: 1_000 },
  ...{ cached: 0, completion: 10, cache: null, attempts: 1, failures: null, overtaken: null, tags: null },
  ...{ requests: 1, firstByteMs: 100, firstTokenMs: 200, totalMs: 1_000, age: 1_000 },
}

/** A config whose ledger is in a folder, and writes at once. */
export function createRollupConfig(folder: string) {
  const { ledger, upstreams } = loadConfig({ env: {}, cwd: folder })
  return { ledger: { ...ledger, folder, fsync: 'never' as const, flushMs: 1 }, upstreams }
}
