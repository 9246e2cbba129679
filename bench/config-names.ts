import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { RENAMED_SETTINGS } from '../src/config/renamed.js'
import type { Settings } from './live-config.js'

/**
 * Translates a config to the setting names of another checkout: an older Thinwire (`--against`, `--last`) does not start
 * with a setting that was renamed or added later.
 * @param root folder of a checkout that was built
 */
export function renameFor(root: string, settings: Settings): Settings {
  const schema = join(root, 'dist', 'config.schema.json')
  const known = existsSync(schema) ? readFileSync(schema, 'utf8') : ''
  // Where there is no such setting, there is no such wait.
  const { timeouts: _, ...rest } = settings
  let text = JSON.stringify(known.includes('"readyGraceMs"') ? settings : rest)
  for (const { old, now } of RENAMED_SETTINGS) {
    if (!known.includes(`"${now}"`)) text = text.replaceAll(`"${now}":`, `"${old}":`)
  }
  return JSON.parse(text)
}
