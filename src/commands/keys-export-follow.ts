import { resolve } from 'node:path'
import type { ConfigSource } from '../config/config.js'
import { type DirectList, DirectListError } from '../direct/direct-list.js'
import { ListFileError } from '../direct/list-file.js'
import { cleanUp, formatList, namePaths, writeList } from './keys-export-list.js'
import type { ExportOptions } from './keys-export-options.js'
import { ListSource, stampFile } from './keys-export-source.js'
import { describeList, describePlainKeys } from './keys-export-text.js'
import { ShellCommand } from './shell-command.js'

export interface FollowerOptions {
  readonly options: ExportOptions
  readonly source: ConfigSource
  /** Gets one line, safe to log. */
  readonly say: (line: string) => void
  /** Milliseconds between two looks at the files. */
  readonly pollMs?: number
}

/** A change is in the list within a second, also with 10,000 keys on a busy machine. Three `stat` cost nothing. */
const POLL_MS = 200

/** Between two attempts to write a list that could not be written. */
const WRITE_RETRY_MS = 1_000

/** A list is renewed when this part of its age is over: two renewals may fail. */
const RENEWAL_SHARE = 3

/** Seconds, where a list does not get old: it is only written again if somebody else has changed it. */
const USUAL_AGE = 60

/** Keeps a list up to date until it is closed. */
export class ListFollower {
  private readonly options: ExportOptions
  private readonly out: string
  private readonly say: (line: string) => void
  private readonly source: ListSource
  private readonly command: ShellCommand | null
  private readonly timer: NodeJS.Timeout
  private list: DirectList
  /** The list that was written last. */
  private writtenList: DirectList
  /** What the files hold, without the time. */
  private content: string
  /** Of the files as they were written. */
  private stamps: readonly string[]
  /** Epoch milliseconds. */
  private writtenAt: number
  /** Something has changed that the files do not have. */
  private isDue: boolean
  /** Epoch milliseconds; 0 if the last attempt to write has not failed. */
  private failedAt: number
  private problem: string | null

  /** Reads everything, and writes the list. @throws ConfigError, KeyringError, DirectListError, ListFileError */
  constructor({ options, source, say, pollMs = POLL_MS }: FollowerOptions) {
    this.options = options
    this.out = resolve(source.cwd, options.out ?? '')
    this.say = say
    this.content = ''
    this.stamps = []
    this.writtenAt = 0
    this.isDue = true
    this.failedAt = 0
    this.problem = null
    cleanUp(options.format, this.out)
    this.source = new ListSource({ options, source, say, pollMs, onKeys: () => this.onKeys() })
    try {
      this.list = this.source.build(Date.now())
      this.writtenList = this.list
      this.write(Date.now())
    } catch (error) {
      this.source.close()
      throw error
    }
    this.command = options.afterwards === null ? null : new ShellCommand(options.afterwards, { say })
    this.command?.request()
    // It keeps the process alive.
    this.timer = setInterval(() => this.look(), pollMs)
  }

  /** The list that was made last. */
  get current(): DirectList {
    return this.list
  }

  /** Resolves when the command of `--then` has ended, too. The list stays as it is. */
  async close(): Promise<void> {
    clearInterval(this.timer)
    this.source.close()
    await this.command?.close()
  }

  private onKeys(): void {
    this.isDue = true
    this.update()
  }

  private look(): void {
    if (this.source.look()) this.isDue = true
    const now = Date.now()
    const { expiresAt } = this.list
    if (expiresAt !== null && now >= expiresAt) this.isDue = true
    if (this.isDue || this.needsRenewal(now)) this.update()
  }

  /** Also when the clock was set: the list of another time would be refused, or be good for too long. */
  private needsRenewal(now: number): boolean {
    const age = this.source.maxAge
    if (now < this.writtenAt) return true
    const stamps = this.stampFiles()
    if (stamps.includes('')) return true
    if (now - this.writtenAt < ((age ?? USUAL_AGE) * 1_000) / RENEWAL_SHARE) return false
    return age !== null || this.isForeign(stamps)
  }

  private update(): void {
    const now = Date.now()
    if (this.failedAt !== 0 && now >= this.failedAt && now - this.failedAt < WRITE_RETRY_MS) return
    const before = this.writtenList
    try {
      this.list = this.source.build(now)
      const isForeign = this.reportForeign()
      const isChanged = this.write(now)
      this.isDue = false
      if (isChanged) this.say(describeChange(before, this.list))
      if (isChanged || isForeign) this.command?.request()
    } catch (error) {
      if (!(error instanceof ListFileError || error instanceof DirectListError)) throw error
      this.isDue = true
      this.failedAt = now
      this.report(`${error.message}; until then the front has the list before`)
    }
  }

  /** @returns whether the front has to read it: not if only its age is another one */
  private write(now: number): boolean {
    const { maxAge, texts } = this.source
    const content = JSON.stringify(formatList(this.list, this.options, texts, 0, null))
    const staleAfter = maxAge === null ? null : Math.floor(now / 1_000) + maxAge
    writeList(formatList(this.list, this.options, texts, now, staleAfter), this.out, this.options.mode)
    const isChanged = content !== this.content
    this.content = content
    this.writtenList = this.list
    this.stamps = this.stampFiles()
    this.writtenAt = now
    this.failedAt = 0
    if (this.problem !== null) this.say(`${this.out} is written again`)
    this.problem = null
    const about = isChanged && texts !== null ? describePlainKeys(this.list, texts) : null
    if (about !== null) this.say(about)
    return isChanged
  }

  /** Another process that writes the same list may have other settings. */
  private reportForeign(): boolean {
    const stamps = this.stampFiles()
    if (!this.isForeign(stamps)) return false
    this.report(`${this.out} ${stamps.includes('') ? 'is gone' : 'was changed by another process'}`)
    return true
  }

  private isForeign(stamps: readonly string[]): boolean {
    return stamps.some((stamp, i) => stamp !== this.stamps[i])
  }

  private stampFiles(): string[] {
    return namePaths(this.options.format, this.out).map(stampFile)
  }

  private report(line: string): void {
    if (this.problem === line) return
    this.problem = line
    this.say(line)
  }
}

/** What was added and taken away. */
function describeChange(before: DirectList, now: DirectList): string {
  const had = new Set(before.keys.map(({ id }) => id))
  const has = new Set(now.keys.map(({ id }) => id))
  const added = now.keys.filter(({ id }) => !had.has(id)).length
  const removed = before.keys.filter(({ id }) => !has.has(id)).length
  return `list written (+${added} -${removed}): ${describeList(now)}`
}
