import { readFile } from 'node:fs/promises'
import type { TlsFiles } from '../config/listen.js'
import type { Log } from '../observe/log.js'
import { CertificateError, readCertificate, type ServerCertificate } from '../server/tls-certificate.js'
import { FileWatch } from './file-watch.js'

const DAY_MS = 24 * 60 * 60 * 1000

/** The log warns from so many days before the end of the certificate on: authorities renew it 30 days before. */
const WARN_DAYS = 14

/** Milliseconds between two checks of the end of the certificate. */
const CHECK_MS = 60 * 60 * 1000

/** Milliseconds between the write of one file and that of the other, when both are replaced. */
const SETTLE_MS = 2_000

/** Milliseconds between two reads of the files, whether they seem to have changed or not. */
const READ_MS = 60_000

/**
 * Follows the files of `listen.tls`: new connections get what is in them. Files that cannot be used, or that do not
 * fit each other, change nothing; the log says what is wrong with them, at once and once a day.
 *
 * The files are read once a minute too: what makes them usable may be no change of them. A hook gives the relay the
 * right to read a renewed key, a certificate becomes valid, a folder is there again.
 */
export class CertificateWatch {
  private readonly files: TlsFiles
  private readonly use: (certificate: ServerCertificate) => void
  private readonly log: Pick<Log, 'info' | 'warn' | 'error'>
  private readonly settleMs: number
  private readonly watches: readonly FileWatch[]
  private readonly clocks: readonly NodeJS.Timeout[]
  private current: ServerCertificate
  /** Runs while the files do not fit each other. */
  private settling: NodeJS.Timeout | null
  /** Unix time in milliseconds. */
  private warnedAt: number
  /** The last line about files that cannot be used, and when it was written; null while they can be used. */
  private reported: { readonly message: string; readonly at: number } | null
  private isReading: boolean
  private isClosed: boolean

  /**
   * @param current what the files had at the start
   * @param readAt when that was read; epoch milliseconds
   * @param use called with each later certificate
   * @param pollMs time between two looks at the files
   */
  constructor(
    files: TlsFiles,
    current: ServerCertificate,
    readAt: number,
    use: (certificate: ServerCertificate) => void,
    log: Pick<Log, 'info' | 'warn' | 'error'>,
    pollMs?: number,
  ) {
    this.files = files
    this.use = use
    this.log = log
    this.settleMs = pollMs === undefined ? SETTLE_MS : 2 * pollMs
    this.current = current
    this.settling = null
    this.warnedAt = 0
    this.watches = [files.cert, files.key].map(
      (file) => new FileWatch(file, readAt, () => this.onChange(), pollMs),
    )
    this.reported = null
    this.isReading = false
    this.isClosed = false
    this.clocks = [
      setInterval(() => this.checkExpiry(Date.now()), CHECK_MS).unref(),
      setInterval(() => void this.compare(), pollMs === undefined ? READ_MS : 5 * pollMs).unref(),
    ]
    this.checkExpiry(Date.now())
  }

  /** When the certificate in use expires: unix time in milliseconds. */
  get expiresAt(): number {
    return this.current.expiresAt
  }

  /** Reads the files at once. The log says what is wrong with them. */
  reload(): void {
    this.stopSettling()
    const fault = this.take()
    if (fault !== null) this.report(fault)
  }

  /** Warns of the end of the certificate, once a day. @param now unix time in milliseconds */
  checkExpiry(now: number): void {
    const leftMs = this.expiresAt - now
    if (leftMs > WARN_DAYS * DAY_MS || now - this.warnedAt < DAY_MS) return
    this.warnedAt = now
    const { cert } = this.files
    const when =
      leftMs > 0 ? `expires at ${formatDate(this.expiresAt)}` : `expired at ${formatDate(this.expiresAt)}`
    this.log.warn(
      { days_left: Math.floor(leftMs / DAY_MS) },
      `the certificate in ${cert} ${when}: renew it, a restart is not needed`,
    )
  }

  close(): void {
    this.stopSettling()
    this.isClosed = true
    for (const clock of this.clocks) clearInterval(clock)
    for (const watch of this.watches) watch.close()
  }

  /** Reads the files without waiting for their disk, which may be a network share that hangs. */
  private async compare(): Promise<void> {
    if (this.isReading || this.settling !== null) return
    this.isReading = true
    const read = (file: string): Promise<string> => readFile(file, 'utf8').catch(() => '')
    const [cert, key] = await Promise.all([read(this.files.cert), read(this.files.key)])
    this.isReading = false
    if (this.isClosed) return
    if (cert === this.current.cert && key === this.current.key) this.reported = null
    else this.onChange()
  }

  /** One file may be written a moment before the other: only what stays wrong is logged. */
  private onChange(): void {
    this.stopSettling()
    if (this.take() !== null) this.settling = setTimeout(() => this.onSettled(), this.settleMs).unref()
  }

  private onSettled(): void {
    this.settling = null
    const fault = this.take()
    if (fault === null) return
    const { message, at } = this.reported ?? { message: '', at: 0 }
    if (fault.message !== message || Date.now() - at >= DAY_MS) this.report(fault)
  }

  private report(fault: CertificateError): void {
    this.reported = { message: fault.message, at: Date.now() }
    this.log.error(
      { setting: fault.path },
      `the certificate files are not used, the relay keeps its certificate until ${formatDate(this.expiresAt)}: ${fault.message}`,
    )
  }

  private stopSettling(): void {
    if (this.settling !== null) clearTimeout(this.settling)
    this.settling = null
  }

  /** @returns why the files cannot be used; null if they are in use now */
  private take(): CertificateError | null {
    let read: ServerCertificate
    try {
      read = readCertificate(this.files)
    } catch (error) {
      if (error instanceof CertificateError) return error
      throw error
    }
    this.reported = null
    const isSame = read.cert === this.current.cert
    this.current = read
    // The private key belongs to the certificate: it is the same, too, if perhaps written in another form.
    if (isSame) return null
    this.use(read)
    this.warnedAt = 0
    this.log.info(
      { expires: formatDate(read.expiresAt) },
      `the certificate was read again and is in use now; it expires at ${formatDate(read.expiresAt)}`,
    )
    this.checkExpiry(Date.now())
    return null
  }
}

function formatDate(time: number): string {
  return new Date(time).toISOString()
}
