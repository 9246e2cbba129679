import type { Config } from '../config/config.js'

/** Settings of the primary, which all workers have as long as it runs, whatever the config on the disk says by then. */
export interface KeptSettings {
  readonly workers: number
  readonly folder: string
  readonly fallbackFolder: string | null
  readonly keyFile: string
}

export function readKeptSettings({ workers, ledger, keys }: Config): KeptSettings {
  const { folder, fallbackFolder } = ledger
  return { workers, folder, fallbackFolder, keyFile: keys.file }
}

/** The primary reads the records and the keys of all workers: they are where it looks for them. */
export function applyKeptSettings(config: Config, kept: KeptSettings): Config {
  const { workers, folder, fallbackFolder, keyFile } = kept
  return {
    ...config,
    workers,
    keys: { ...config.keys, file: keyFile },
    ledger: { ...config.ledger, folder, fallbackFolder },
  }
}
