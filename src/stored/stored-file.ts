import { appendFileSync } from 'node:fs'
import { appendFile, mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isObject, parseJson } from '../json/values.js'
import { readErrorCode } from '../lib/error-code.js'
import type { Log } from '../observe/log.js'
import type { ObjectMap, StoredObject } from './object-map.js'

/** Lines wait for this time, and are then written together. */
const GATHER_MS = 50

/** Lines that may wait for a slow disk. Beyond it they are dropped, and the whole file is written again. */
const MOST_WAITING = 10_000

/** Waits between two attempts on a failing disk: the first, doubled after each attempt, and the longest. */
const WAITS_MS = [1_000, 30_000] as const

/** Longest wait for the disk when the relay ends. */
const CLOSE_MS = 3_000

/** A file of fewer lines is never written again to make it shorter. */
const FEW_LINES = 1_000

/** Lines that are written at a time when the file is written again. */
const SLICE = 1_000

/** The parts of a file system that the file needs, so that tests can make it fail. */
export interface StoredDisk {
  append(path: string, text: string): Promise<void>
  /** Writes a file again: either all of it is there afterwards, or the old one. */
  replace(path: string, slices: Iterable<string>): Promise<void>
}

const DISK: StoredDisk = {
  async append(path, text) {
    await mkdir(dirname(path), { recursive: true })
    await appendFile(path, text, { mode: 0o640 })
  },
  async replace(path, slices) {
    await mkdir(dirname(path), { recursive: true })
    const next = `${path}.next`
    const file = await open(next, 'w', 0o640)
    try {
      for (const slice of slices) await file.appendFile(slice)
    } finally {
      await file.close()
    }
    await rename(next, path)
  },
}

/**
 * Keeps an `ObjectMap` over a restart, in an append-only file of JSON lines. The last line of an id counts. The file is
 * written again when it has twice as many lines as there are objects. No request waits for it: what the disk does not
 * take is still in memory, and is written later.
 */
export class StoredFile {
  private readonly path: string
  private readonly objects: ObjectMap
  private readonly log: Pick<Log, 'warn' | 'info'>
  private readonly disk: StoredDisk
  private readonly waitsMs: readonly [number, number]
  /** Another process writes to it, too: it is only appended to, as what that process adds is not known here. */
  isShared: boolean
  private waiting: string[]
  /** Lines in the file. */
  private lineCount: number
  /** The file lacks lines, or its last one is torn. */
  private isIncomplete: boolean
  /** The file is there and cannot be read: it is left alone. */
  private isUnreadable: boolean
  private timer: NodeJS.Timeout | null
  private writing: Promise<void> | null
  /** Length of the next wait; 0 while the disk works. */
  private waitMs: number

  constructor(
    path: string,
    objects: ObjectMap,
    log: Pick<Log, 'warn' | 'info'>,
    disk: StoredDisk = DISK,
    waitsMs: readonly [number, number] = WAITS_MS,
  ) {
    this.path = path
    this.objects = objects
    this.log = log
    this.disk = disk
    this.waitsMs = waitsMs
    this.isShared = false
    this.waiting = []
    this.lineCount = 0
    this.isIncomplete = false
    this.isUnreadable = false
    this.timer = null
    this.writing = null
    this.waitMs = 0
  }

  /** Lines that are not in the file yet. */
  get waitingCount(): number {
    return this.waiting.length
  }

  /** Reads the objects of an earlier start. Broken lines are skipped: a crash may tear the last one. */
  async load(): Promise<void> {
    let text: string
    try {
      text = await readFile(this.path, 'utf8')
    } catch (error) {
      const cause = readErrorCode(error)
      if (cause === 'ENOENT') return
      this.isUnreadable = true
      this.log.warn(
        { file: this.path, cause },
        `the stored objects cannot be read (${cause}): until the next start they are kept in memory alone`,
      )
      return
    }
    let broken = 0
    for (const line of text.split('\n')) {
      if (line === '') continue
      this.lineCount++
      const object = parseLine(line)
      if (object === null) broken++
      else this.objects.set(object)
    }
    this.isIncomplete = broken > 0 || !(text === '' || text.endsWith('\n'))
    if (broken > 0)
      this.log.warn({ file: this.path, broken }, `${broken} lines of the stored objects are broken: skipped`)
  }

  /** Writes an object down, some milliseconds later. Never waits and never throws. */
  add(object: StoredObject): void {
    if (this.isUnreadable) return
    if (this.waiting.length < MOST_WAITING) this.waiting.push(formatLine(object))
    else {
      this.waiting = []
      this.isIncomplete = true
    }
    if (this.writing === null) this.timer ??= setTimeout(pump, this.waitMs || GATHER_MS, this).unref()
  }

  /** Starts writing all that waits, unless that is under way. */
  pump(): void {
    this.stopTimer()
    this.writing ??= this.write().finally(() => {
      this.writing = null
      if (this.hasWork) this.timer ??= setTimeout(pump, this.waitMs || GATHER_MS, this).unref()
    })
  }

  /** Writes all that waits synchronously, when the process is about to exit. */
  flushNow(): void {
    const lines = this.waiting
    this.waiting = []
    if (lines.length === 0) return
    try {
      // The line feed in front ends a torn line. Empty lines are skipped.
      appendFileSync(this.path, `\n${lines.join('')}`, { mode: 0o640 })
    } catch {
      // The process exits: there is nobody to report to.
    }
  }

  /** Writes all that waits; gives up on a disk that does not respond. */
  async close(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const timeUp = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_MS)
    })
    await Promise.race([this.finish(), timeUp])
    clearTimeout(timer)
    this.stopTimer()
  }

  private async finish(): Promise<void> {
    await this.writing
    if (this.hasWork) this.pump()
    await this.writing
  }

  private get hasWork(): boolean {
    return this.waiting.length > 0 || this.isIncomplete
  }

  private get isTooLong(): boolean {
    return !this.isShared && this.lineCount > Math.max(FEW_LINES, 2 * this.objects.size)
  }

  private async write(): Promise<void> {
    const lines = this.waiting
    this.waiting = []
    try {
      if (this.isIncomplete || this.isTooLong) await this.replace()
      else {
        await this.disk.append(this.path, lines.join(''))
        this.lineCount += lines.length
      }
    } catch (error) {
      this.fail(readErrorCode(error))
      return
    }
    if (this.waitMs > 0) this.log.info({ file: this.path }, 'the stored objects can be written again')
    this.waitMs = 0
  }

  private async replace(): Promise<void> {
    let count = 0
    function* slices(objects: Iterable<StoredObject>): Iterable<string> {
      let slice = ''
      for (const object of objects) {
        slice += formatLine(object)
        if (++count % SLICE !== 0) continue
        yield slice
        slice = ''
      }
      yield slice
    }
    this.isIncomplete = false
    await this.disk.replace(this.path, slices(this.objects.values()))
    this.lineCount = count
  }

  /** The lines of this attempt are in memory as objects: the next attempt writes all of these. */
  private fail(cause: string): void {
    this.isIncomplete = true
    const [first, longest] = this.waitsMs
    if (this.waitMs === 0)
      this.log.warn(
        { file: this.path, cause },
        `the stored objects cannot be written (${cause}): they are kept in memory and tried again`,
      )
    this.waitMs = this.waitMs === 0 ? first : Math.min(this.waitMs * 2, longest)
  }

  private stopTimer(): void {
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
  }
}

function pump(file: StoredFile): void {
  file.pump()
}

function formatLine({ id, owner, key, upstream, madeAt, isBilled }: StoredObject): string {
  return `${JSON.stringify({ id, owner, key, upstream, at: madeAt, billed: isBilled })}\n`
}

function parseLine(line: string): StoredObject | null {
  const value = parseJson(line)
  if (!isObject(value)) return null
  const { id, owner, key, upstream, at, billed } = value
  if (typeof id !== 'string' || typeof owner !== 'string' || typeof upstream !== 'string') return null
  if (typeof at !== 'number' || typeof billed !== 'boolean') return null
  if (typeof key !== 'string' && key !== null) return null
  return { id, owner, key, upstream, madeAt: at, isBilled: billed }
}
