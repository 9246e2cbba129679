import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { RENAMED_SETTINGS } from '../src/config/renamed.js'
import type { Settings } from './live-config.js'

/**
 * Translates a config to the setting names of another checkout: an older Thinwire (`--against`) does not start with a
 * setting that was renamed later.
 * @param root folder of a checkout that was built
 */
export function renameFor(root: string, settings: Settings): Settings {
  const schema = join(root, 'dist', 'config.schema.json')
  const known = existsSync(schema) ? readFileSync(schema, 'utf8') : ''
  let text = JSON.stringify(settings)
  for (const { old, now } of RENAMED_SETTINGS) {
    if (!known.includes(`"${now}"`)) text = text.replaceAll(`"${now}":`, `"${old}":`)
  }
  return JSON.parse(text)
}
