import { fstatSync, write, writeSync } from 'node:fs'
import { LineBuffer } from '../lib/line-buffer.js'

/** What a reader that does not keep up leaves in memory; lines beyond it are dropped, and never waited for. */
const BACKLOG_BYTES = 8 * 1024 * 1024

/** Lines that come one after the other are gathered for so long and written together: each write is a thread's turn. */
const GATHER_MS = 5

/** Where lines of the log go. Writing neither blocks nor fails. */
export interface Sink {
  write(line: string): void
}

/** A sink that can tell how far it is. */
export interface OpenSink extends Sink {
  /** Bytes that have not left yet. */
  readonly queued: number
}

/**
 * Standard output as something that never holds up the relay, nor its end: not when the disk behind it is full, not
 * when its reader has stopped or gone. The usual writers do: they end the process on an error, or try again at exit
 * for as long as it lasts.
 */
export function openSink(): OpenSink {
  // Bigints, since numbers break imports in Node 22.23: once they are of a pipe, a package that is imported later from
  // behind a symbolic link (npm link, pnpm) is an empty module.
  const stats = fstatSync(1, { bigint: true })
  return stats.isFIFO() || stats.isSocket() ? new PipeSink(process.stdout) : new FileSink(1)
}

abstract class GatheringSink implements OpenSink {
  private readonly lines: LineBuffer
  private waiting: boolean

  constructor() {
    this.lines = new LineBuffer()
    this.waiting = false
    process.once('exit', () => {
      if (this.lines.bytes > 0) this.writeLast(this.lines.take())
    })
  }

  write(line: string): void {
    if (this.queued + line.length > BACKLOG_BYTES) return
    this.lines.add(line)
    if (!this.waiting) this.wait()
  }

  /** Bytes that are in memory. */
  get queued(): number {
    return this.lines.bytes + this.unwritten
  }

  /** Of what was handed to `writeOut`. */
  protected abstract readonly unwritten: number
  /** @param done to be called when the next may come */
  protected abstract writeOut(bytes: Buffer, done: () => void): void
  /** What there is when the process ends: in one attempt, and at once. */
  protected abstract writeLast(bytes: Buffer): void

  private wait(): void {
    this.waiting = true
    // No reason for the process to live on: what is left then is written at its exit.
    setTimeout(pour, GATHER_MS, this).unref()
  }

  pour(): void {
    this.writeOut(this.lines.take(), () => {
      this.waiting = false
      if (this.lines.bytes > 0) this.wait()
    })
  }
}

function pour(sink: GatheringSink): void {
  sink.pour()
}

/**
 * Node's own stream writes to a pipe what goes at once and queues the rest without a thread; a thread that waits for a
 * reader who has stopped could not be ended.
 */
class PipeSink extends GatheringSink {
  private readonly stream: NodeJS.WriteStream
  private gone: boolean

  constructor(stream: NodeJS.WriteStream) {
    super()
    this.stream = stream
    this.gone = false
    stream.on('error', () => {
      this.gone = true
    })
  }

  protected get unwritten(): number {
    return this.stream.writableLength
  }

  protected writeOut(bytes: Buffer, done: () => void): void {
    this.writeLast(bytes)
    done()
  }

  protected writeLast(bytes: Buffer): void {
    if (!this.gone) this.stream.write(bytes)
  }
}

/** For a file or a terminal: one write at a time on a thread, everything that came in between in the next. */
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
      // A full disk: what was to be written is lost, and what comes later may find room again.
      this.unwritten = 0
      done()
    })
  }

  /**
   * A write that is under way on its thread then ends by itself, perhaps behind these: lines have their time in them.
   */
  protected writeLast(bytes: Buffer): void {
    try {
      writeSync(this.fd, bytes)
    } catch {
      // Nobody is left to tell.
    }
  }
}
