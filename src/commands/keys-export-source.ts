import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { StoredKey } from '../access/key-lines.js'
import { Keyring, KeyringError } from '../access/keyring.js'
import { type Config, type ConfigSource, loadConfigWithoutSecrets } from '../config/config.js'
import { DEFAULT_FILE } from '../config/config-file.js'
import { ConfigError } from '../config/problems.js'
import { buildDirectList, type DirectList, DirectListError } from '../direct/direct-list.js'
import type { PlainKeys } from '../direct/plain-keys.js'
import { formatList, readPlainKeys } from './keys-export-list.js'
import type { ExportOptions } from './keys-export-options.js'

export interface ListSourceOptions {
  readonly options: ExportOptions
  readonly source: ConfigSource
  /** Gets one line, safe to log. */
  readonly say: (line: string) => void
  /** Called when keys have changed. */
  readonly onKeys: () => void
  /** Milliseconds between two looks at the key file. */
  readonly pollMs: number
}

/** Between two readings of a config that cannot be used. */
const CONFIG_RETRY_MS = 1_000

/**
 * What a list is made of: config, keys, and the file of `--keys`. A file that cannot be read or used changes nothing:
 * what was read before counts, and the problem is logged once.
 */
export class ListSource {
  private readonly options: ExportOptions
  private readonly source: ConfigSource
  private readonly say: (line: string) => void
  private readonly onKeys: () => void
  private readonly pollMs: number
  private config: Config
  private ring: Keyring
  private plainKeys: PlainKeys | null
  private configStamp: string
  private plainKeysStamp: string
  /** `performance.now()` of the last reading after the first. */
  private configReadAt: number
  /** Hashes of keys that were revoked at some time: an older copy of the key file does not bring them back. */
  private readonly revoked: Set<string>
  /** The last problem with a file, by its kind. */
  private readonly problems: Map<string, string>

  /** @throws ConfigError, KeyringError, DirectListError */
  constructor({ options, source, say, onKeys, pollMs }: ListSourceOptions) {
    this.options = options
    this.source = source
    this.say = say
    this.onKeys = onKeys
    this.pollMs = pollMs
    this.revoked = new Set()
    this.problems = new Map()
    this.configReadAt = 0
    // Before the files are read, so that a change in the meantime is noticed.
    this.configStamp = this.stampConfig()
    this.plainKeysStamp = this.stampPlainKeys()
    this.config = loadConfigWithoutSecrets(source)
    this.plainKeys = readPlainKeys(options, source.cwd)
    this.ring = this.openRing(this.config.keys.file)
  }

  /** Seconds; null: a list is good for ever. */
  get maxAge(): number | null {
    return this.options.format === 'json' ? this.config.direct.maxAgeSeconds : null
  }

  /** The keys of `--keys`; null if the format has hashes. */
  get texts(): PlainKeys | null {
    return this.plainKeys
  }

  /** @param now epoch milliseconds @throws DirectListError */
  build(now: number): DirectList {
    return this.buildBy(this.config, this.ring, now)
  }

  /** Reads what has changed of config and `--keys`. @returns whether anything has */
  look(): boolean {
    const config = this.stampConfig()
    const plainKeys = this.stampPlainKeys()
    const now = performance.now()
    // What it names may be there by now: another file, a key file that can be read.
    const isRetry = this.problems.has('config') && now - this.configReadAt > CONFIG_RETRY_MS
    const isConfig = isRetry || config !== this.configStamp
    const arePlainKeys = plainKeys !== this.plainKeysStamp
    this.configStamp = config
    this.plainKeysStamp = plainKeys
    // Some editors remove a file before they write it again.
    const isRead = isConfig && config !== '' && this.readConfig(now)
    return (arePlainKeys && plainKeys !== '' && this.readTexts()) || isRead
  }

  close(): void {
    this.ring.close()
  }

  private readConfig(now: number): boolean {
    this.configReadAt = now
    let ring: Keyring | null = null
    try {
      const config = loadConfigWithoutSecrets(this.source)
      if (config.keys.file !== this.config.keys.file) ring = this.openRing(config.keys.file)
      const list = this.buildBy(config, ring ?? this.ring, Date.now())
      formatList(list, this.options, this.plainKeys, 0, null)
      if (ring !== null) {
        this.ring.close()
        this.ring = ring
      }
      this.config = config
      this.solve('config')
      return true
    } catch (error) {
      ring?.close()
      const isExpected =
        error instanceof ConfigError || error instanceof KeyringError || error instanceof DirectListError
      if (!isExpected) throw error
      const why = error.message.split('\n').join('; ')
      this.report('config', `the config is not used, the list follows keys with the config before: ${why}`)
      return false
    }
  }

  private readTexts(): boolean {
    try {
      this.plainKeys = readPlainKeys(this.options, this.source.cwd)
      this.solve('keys')
      return true
    } catch (error) {
      if (!(error instanceof DirectListError)) throw error
      this.report('keys', `${error.message}; the keys that were read before are used`)
      return false
    }
  }

  private openRing(file: string): Keyring {
    return Keyring.open(file, {
      pollMs: this.pollMs,
      onProblem: this.say,
      onReload: () => this.onKeys(),
    })
  }

  private buildBy(config: Config, ring: Keyring, now: number): DirectList {
    return buildDirectList(this.listKeys(ring), config, now)
  }

  private *listKeys(ring: Keyring): Generator<[string, StoredKey]> {
    for (const [hash, key] of ring.entries()) {
      if (key.revokedAt !== null) this.revoked.add(hash)
      const isBack = key.revokedAt === null && this.revoked.has(hash)
      yield [hash, isBack ? { ...key, revokedAt: key.issuedAt } : key]
    }
  }

  private stampConfig(): string {
    return stampFile(resolve(this.source.cwd, this.source.file ?? DEFAULT_FILE))
  }

  private stampPlainKeys(): string {
    return this.plainKeysFile === null ? '' : stampFile(this.plainKeysFile)
  }

  private get plainKeysFile(): string | null {
    const { keys } = this.options
    return keys === null || keys === '-' ? null : resolve(this.source.cwd, keys)
  }

  private report(kind: string, line: string): void {
    if (this.problems.get(kind) === line) return
    this.problems.set(kind, line)
    this.say(line)
  }

  private solve(kind: string): void {
    this.problems.delete(kind)
  }
}

/** Differs whenever a file has changed. Empty if there is none. */
export function stampFile(file: string): string {
  try {
    const stats = statSync(file, { bigint: true })
    return `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`
  } catch {
    return ''
  }
}
