import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Config, loadConfig } from '../../src/config/config.js'
import { ConfigError } from '../../src/config/problems.js'

/** A folder for config files, which goes with the process. */
export const folder = mkdtempSync(join(tmpdir(), 'thinwire-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

/** Loads a config with these settings. @param settings a text is the file as it stands */
export function load(settings: unknown, env: Record<string, string> = {}): Config {
  const file = join(folder, 'thinwire.json')
  writeFileSync(file, typeof settings === 'string' ? settings : JSON.stringify(settings))
  return loadConfig({ file, env, cwd: folder })
}

/** The problems that the settings have, as `path: message`. */
export function problems(settings: unknown, env: Record<string, string> = {}): string[] {
  try {
    load(settings, env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map((problem) => `${problem.path}: ${problem.message}`)
  }
  return []
}
