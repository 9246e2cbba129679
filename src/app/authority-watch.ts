import type { Config } from '../config/config.js'
import { FileWatch } from './file-watch.js'

/** Follows the files of certificate authorities (`tls.caFile`) that the config names. */
export class AuthorityWatch {
  private readonly onChange: () => void
  private readonly pollMs: number | undefined
  private watches: ReadonlyMap<string, FileWatch>

  /** @param onChange called after a file was written or replaced */
  constructor(onChange: () => void, pollMs: number | undefined) {
    this.onChange = onChange
    this.pollMs = pollMs
    this.watches = new Map()
  }

  /** Watches the files of this config from now on, and no others. */
  follow({ upstreams }: Pick<Config, 'upstreams'>): void {
    const before = this.watches
    const files = new Set(upstreams.map(({ caFile }) => caFile).filter((file) => file !== null))
    this.watches = new Map(
      [...files].map((file) => [
        file,
        before.get(file) ?? new FileWatch(file, Date.now(), this.onChange, this.pollMs),
      ]),
    )
    for (const [file, watch] of before) if (!files.has(file)) watch.close()
  }

  close(): void {
    this.follow({ upstreams: [] })
  }
}
