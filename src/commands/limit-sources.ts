import { Keyring } from '../access/keyring.js'
import { type Config, type ConfigSource, loadConfigWithoutSecrets } from '../config/config.js'
import type { LimitRule } from '../config/limit-rules.js'
import { describeProblem, type ReplayProblem } from '../limits/replay/replay.js'

/** What a command about limits reads. */
export interface LimitSources {
  readonly config: Config
  /** Of the ledger, the fallback last. */
  readonly folders: readonly string[]
  /** Of the config and of all keys that are not revoked. */
  readonly rules: readonly LimitRule[]
}

/**
 * Reads the rules of the config and of the keys.
 * @param onProblem called with one line for each problem of the key file
 * @throws ConfigError, KeyringError
 */
export function readLimitSources(source: ConfigSource, onProblem: (message: string) => void): LimitSources {
  const config = loadConfigWithoutSecrets(source)
  const { folder, fallbackFolder } = config.ledger
  const rules = [...config.limitRules.rules]
  if (config.keys.mode === 'keys') {
    const keyring = Keyring.open(config.keys.file, { onProblem })
    keyring.close()
    for (const { limits, revokedAt } of keyring.list())
      if (limits !== null && revokedAt === null) rules.push(...limits)
  }
  return { config, folders: fallbackFolder === null ? [folder] : [folder, fallbackFolder], rules }
}

/** Says what of the ledger could not be read, one line each. */
export function describeProblems(problems: readonly ReplayProblem[]): string[] {
  return problems.map((problem) => `${describeProblem(problem)}: not counted`)
}
