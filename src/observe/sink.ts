import { fstatSync, write, writeSync } from 'node:fs'
import { EMPTY } from '../lib/bytes.js'
import { LineBuffer } from '../lib/line-buffer.js'

/** Most bytes that wait in memory for a slow reader. Lines beyond it are dropped; nothing waits for them. */
const BACKLOG_BYTES = 8 * 1024 * 1024

/** Lines are gathered for this time and written together, as each write costs a turn of a thread. */
const GATHER_MS = 5

/**
 * Most bytes of one write to a pipe that several processes write to: it comes as a whole, and not within a line of
 * another process (PIPE_BUF of Linux). A longer line may still be torn.
 */
const WHOLE_BYTES = 4_096

/** Where lines of the log go. Writing neither blocks nor fails. */
export interface Sink {
  write(line: string): void
}

/** A sink that reports its backlog. */
export interface OpenSink extends Sink {
  /** Bytes that are not written yet. */
  readonly queued: number
  /** Lines follow, now and in the next turns: one write is for all of them, at `endBatch`. */
  startBatch?(): void
  endBatch?(): void
  /** Whether other processes write there, too. */
  share?(isShared: boolean): void
}

/**
 * Opens standard output as a sink that never holds up the relay or its shutdown, even if the disk is full or the
 * reader has stopped or left. The usual writers do: they end the process on an error, or retry at exit for as long as
 * the error lasts.
 * @param isShared whether other processes write there, too
 */
export function openSink(isShared = false): OpenSink {
  // Bigints, as numbers break imports in Node 22.23: after an fstat of a pipe with numbers, a package that is imported
  // through a symbolic link (npm link, pnpm) is an empty module.
  const stats = fstatSync(1, { bigint: true })
  return stats.isFIFO() || stats.isSocket() ? new PipeSink(process.stdout, isShared) : new FileSink(1)
}

abstract class GatheringSink implements OpenSink {
  private readonly lines: LineBuffer
  private waiting: boolean
  private held: boolean

  constructor() {
    this.lines = new LineBuffer()
    this.waiting = false
    this.held = false
    process.once('exit', () => {
      if (this.lines.bytes > 0) this.writeLast(this.lines.take())
    })
  }

  write(line: string): void {
    if (this.queued + line.length > BACKLOG_BYTES) return
    this.lines.add(line)
    if (!this.waiting && !this.held) this.wait()
  }

  startBatch(): void {
    this.held = true
  }

  endBatch(): void {
    this.held = false
    if (this.waiting || this.lines.bytes === 0) return
    this.waiting = true
    this.flush()
  }

  /** Bytes in memory. */
  get queued(): number {
    return this.lines.bytes + this.unwritten
  }

  /** Bytes that `writeOut` got and has not written yet. */
  protected abstract readonly unwritten: number
  /** Writes bytes. @param done called when the next bytes may come */
  protected abstract writeOut(bytes: Buffer, done: () => void): void
  /** Writes the last bytes when the process exits: synchronously, in one attempt. */
  protected abstract writeLast(bytes: Buffer): void

  private wait(): void {
    this.waiting = true
    // Does not keep the process alive: the rest is written at exit.
    setTimeout(flush, GATHER_MS, this).unref()
  }

  flush(): void {
    this.writeOut(this.lines.take(), () => {
      this.waiting = false
      if (this.lines.bytes > 0 && !this.held) this.wait()
    })
  }
}

function flush(sink: GatheringSink): void {
  sink.flush()
}

/**
 * For a pipe or a socket. Node's own stream writes what fits and queues the rest without a thread. A thread that waits
 * for a stopped reader would keep the process from exiting.
 */
class PipeSink extends GatheringSink {
  private readonly stream: NodeJS.WriteStream
  private isShared: boolean
  private broken: boolean
  /** Whole lines of a pipe that others write to, before they are in the stream. */
  private rest: Buffer

  constructor(stream: NodeJS.WriteStream, isShared: boolean) {
    super()
    this.stream = stream
    this.isShared = isShared
    this.rest = EMPTY
    process.once('exit', () => this.writeLast(this.rest))
    this.broken = false
    stream.on('error', () => {
      this.broken = true
    })
  }

  share(isShared: boolean): void {
    this.isShared = isShared
  }

  protected get unwritten(): number {
    return this.stream.writableLength + this.rest.length
  }

  protected writeOut(bytes: Buffer, done: () => void): void {
    if (this.isShared) {
      this.rest = bytes
      this.writeWhole(done)
      return
    }
    this.writeLast(bytes)
    done()
  }

  /** Writes some lines, and the next ones when the pipe has them. A stream would write what waits in it together. */
  private writeWhole(done: () => void): void {
    const { rest } = this
    if (rest.length === 0 || this.broken) {
      this.rest = EMPTY
      done()
      return
    }
    const end = findWholeLines(rest)
    this.rest = rest.subarray(end)
    this.stream.write(rest.subarray(0, end), () => this.writeWhole(done))
  }

  protected writeLast(bytes: Buffer): void {
    if (!this.broken && bytes.length > 0) this.stream.write(bytes)
  }
}

/** For a file or a terminal: one write at a time on a thread. Lines that arrive meanwhile go into the next write. */
class FileSink extends GatheringSink {
  private readonly fd: number
  protected unwritten: number

  constructor(fd: number) {
    super()
    this.fd = fd
    this.unwritten = 0
  }

  protected writeOut(bytes: Buffer, done: () => void): void {
    this.unwritten = bytes.length
    write(this.fd, bytes, (error, written) => {
      if (error === null && written < bytes.length) {
        this.writeOut(bytes.subarray(written), done)
        return
      }
      // On an error such as a full disk these lines are lost; later ones may be written again.
      this.unwritten = 0
      done()
    })
  }

  /** A write under way on its thread may end after this one: lines have timestamps, so the order does not matter. */
  protected writeLast(bytes: Buffer): void {
    try {
      writeSync(this.fd, bytes)
    } catch {
      // The process exits: there is nobody to report to.
    }
  }
}

/** Length of the lines at the beginning that one write can have; of the first line, if that is longer. */
function findWholeLines(bytes: Buffer): number {
  if (bytes.length <= WHOLE_BYTES) return bytes.length
  const last = bytes.lastIndexOf('\n', WHOLE_BYTES - 1)
  const end = last === -1 ? bytes.indexOf('\n') : last
  return end === -1 ? bytes.length : end + 1
}
