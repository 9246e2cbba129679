import { fstatSync, write, writeSync } from 'node:fs'

/** What a reader that does not keep up leaves in memory; lines beyond it are dropped, and never waited for. */
const BACKLOG_BYTES = 8 * 1024 * 1024

/**
 * Lines are gathered for so long and written together, which nobody who reads a log along notices: a write of each
 * is a thread's turn for every request.
 */
const GATHER_MS = 20

/** Where lines of the log go. Writing neither blocks nor fails. */
export interface Sink {
  write(line: string): void
}

/**
 * Standard output as something that never holds up the relay, nor its end: not when the disk behind it is full, not
 * when its reader has stopped or gone. The usual writers do: they end the process on an error, or try again at exit
 * for as long as it lasts.
 */
export function openSink(): Sink {
  const stats = fstatSync(1)
  return stats.isFIFO() || stats.isSocket() ? new PipeSink(process.stdout) : new FileSink(1)
}

abstract class GatheringSink implements Sink {
  private lines: string[]
  private gathered: number
  private waiting: boolean

  constructor() {
    this.lines = []
    this.gathered = 0
    this.waiting = false
    process.once('exit', () => {
      if (this.lines.length > 0) this.writeLast(this.take())
    })
  }

  write(line: string): void {
    if (this.queued + line.length > BACKLOG_BYTES) return
    this.lines.push(line)
    this.gathered += line.length
    if (!this.waiting) this.wait()
  }

  /** Bytes that are in memory, about: a character counts as one. */
  get queued(): number {
    return this.gathered + this.unwritten
  }

  /** Of what was handed to `writeOut`. */
  protected abstract readonly unwritten: number
  /** @param done to be called when the next may come */
  protected abstract writeOut(text: string, done: () => void): void
  /** What there is when the process ends: in one attempt, and at once. */
  protected abstract writeLast(text: string): void

  private wait(): void {
    this.waiting = true
    // No reason for the process to live on: what is left then is written at its exit.
    setTimeout(pour, GATHER_MS, this).unref()
  }

  pour(): void {
    this.writeOut(this.take(), () => {
      this.waiting = false
      if (this.lines.length > 0) this.wait()
    })
  }

  private take(): string {
    const text = this.lines.join('')
    this.lines = []
    this.gathered = 0
    return text
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

  protected writeOut(text: string, done: () => void): void {
    this.writeLast(text)
    done()
  }

  protected writeLast(text: string): void {
    if (!this.gone) this.stream.write(text)
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

  protected writeOut(text: string, done: () => void): void {
    this.next(Buffer.from(text), done)
  }

  private next(bytes: Buffer, done: () => void): void {
    this.unwritten = bytes.length
    write(this.fd, bytes, (error, written) => {
      if (error === null && written < bytes.length) {
        this.next(bytes.subarray(written), done)
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
  protected writeLast(text: string): void {
    try {
      writeSync(this.fd, text)
    } catch {
      // Nobody is left to tell.
    }
  }
}
