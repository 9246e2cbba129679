import { renameSync, writeFileSync } from 'node:fs'
import { deriveKeyId, hashKey } from '../../../src/access/key.js'

/** A key on a direct list that a test writes by hand. */
export interface ListedKey {
  readonly key: string
  readonly until?: number | null
}

/** The direct list in JSON, as `thinwire keys export --hashes` has it. @param more further members, such as `aliases` */
export function directList(keys: readonly ListedKey[], more: Readonly<Record<string, unknown>> = {}): string {
  const entries = keys.map(({ key, until = null }) => {
    const [, env, team, user] = key.split('_')
    const hash = hashKey(key)
    return [hash, { key_id: deriveKeyId(hash), env, team, user, until }]
  })
  return JSON.stringify({
    v: 1,
    made: new Date().toISOString(),
    stale_after: null,
    upstream: 'openai',
    aliases: { fast: 'gpt-5-mini' },
    through: ['team-claude', 'claude-*'],
    models: null,
    paths: [
      'GET /v1/models',
      ...['chat/completions', 'responses', 'completions'].map((path) => `POST /v1/${path}`),
    ],
    ...more,
    keys: Object.fromEntries(entries),
  })
}

/** Writes a list in the place of another, as a whole. */
export function replaceList(file: string, text: string): void {
  writeFileSync(`${file}.new`, text)
  renameSync(`${file}.new`, file)
}
