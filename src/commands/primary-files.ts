import { AuthorityWatch } from '../app/authority-watch.js'
import { CertificateWatch } from '../app/certificate-watch.js'
import { FileWatch } from '../app/file-watch.js'
import { mergeReloadable, readNextConfig } from '../app/next-config.js'
import { watchPriceFile } from '../app/price-watch.js'
import type { Config, ConfigSource } from '../config/config.js'
import type { ListenConfig } from '../config/listen.js'
import type { Prices } from '../ledger/prices.js'
import { ignore } from '../lib/ignore.js'
import type { Log } from '../observe/log.js'
import { CertificateError, readCertificate } from '../server/tls-certificate.js'
import { applyKeptSettings, readKeptSettings } from '../workers/kept-settings.js'

interface PrimaryFilesParts {
  readonly config: Config
  readonly source: ConfigSource
  /** Null unless the demo is the upstream. */
  readonly useDemo: ((config: Config) => Config) | null
  /** Null: there are no costs. */
  readonly prices: Prices | null
  readonly log: Log
  /** Called with each later config. */
  readonly onConfig: (config: Config) => void
}

/**
 * Follows the config, price and certificate files in the primary, as each worker does by itself: the primary says, once
 * for all of them, what was read again and what is wrong with it. Its limits follow the config too.
 */
export class PrimaryFiles {
  private readonly parts: PrimaryFilesParts
  /** Epoch milliseconds. */
  private readonly openedAt: number
  /** The config that the relay follows. */
  private current: Config
  private configWatch: FileWatch | null
  private priceWatch: FileWatch | null
  private certificateWatch: CertificateWatch | null
  private readonly authorities: AuthorityWatch

  constructor(parts: PrimaryFilesParts) {
    this.parts = parts
    this.openedAt = Date.now()
    this.current = parts.config
    this.configWatch = null
    this.priceWatch = null
    this.certificateWatch = null
    this.authorities = new AuthorityWatch(() => this.readConfig(), undefined)
  }

  /**
   * Follows the files from now on.
   * @param readAt when what is in use was read; epoch milliseconds
   */
  begin(readAt = this.openedAt): void {
    const { prices, log } = this.parts
    const config = this.current
    const { file } = config
    if (file !== null) this.configWatch = new FileWatch(file, readAt, () => this.readConfig())
    this.authorities.follow(config)
    if (prices !== null) this.priceWatch = watchPriceFile(prices, config, readAt, log)
    this.certificateWatch = watchCertificate(config.listen, readAt, log)
  }

  /** Reads the config file and the files of `listen.tls` again. */
  reload(): void {
    this.certificateWatch?.reload()
    this.readConfig()
  }

  /** All workers have started anew, with this config: what a reload leaves out is in use now, too. */
  onRestarted(config: Config): void {
    const { listen, metrics } = this.parts.config
    const { tls } = config.listen
    const kept = applyKeptSettings(config, readKeptSettings(this.parts.config))
    this.close()
    this.current = mergeReloadable(this.current, { ...kept, listen: { ...listen, tls }, metrics })
    this.begin(Date.now())
    // The file may have changed since the last look at it.
    this.readConfig()
  }

  close(): void {
    this.configWatch?.close()
    this.priceWatch?.close()
    this.certificateWatch?.close()
    this.authorities.close()
  }

  private readConfig(): void {
    const { source, useDemo, log, onConfig } = this.parts
    const next = readNextConfig(source, this.current, useDemo, log)
    if (next === null) return
    this.current = next
    this.authorities.follow(next)
    onConfig(next)
    const upstreams = next.upstreams.map(({ name }) => name)
    log.info({ upstreams }, 'the config was read again and is in use now')
  }
}

function watchCertificate({ tls }: ListenConfig, readAt: number, log: Log): CertificateWatch | null {
  if (tls === null) return null
  try {
    return new CertificateWatch(tls, readCertificate(tls), readAt, ignore, log)
  } catch (error) {
    // The workers cannot start with it, and say why.
    if (error instanceof CertificateError) return null
    throw error
  }
}
