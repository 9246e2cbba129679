import { fstatSync, write, writeSync } from 'node:fs'

/** What a reader that does not keep up leaves in memory; lines beyond it are dropped, and never waited for. */
const BACKLOG_BYTES = 8 * 1024 * 1024

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

/**
 * Node's own stream writes to a pipe what goes at once and queues the rest without a thread; a thread that waits for a
 * reader who has stopped could not be ended.
 */
class PipeSink implements Sink {
  private readonly stream: NodeJS.WriteStream
  private gone: boolean

  constructor(stream: NodeJS.WriteStream) {
    this.stream = stream
    this.gone = false
    stream.on('error', () => {
      this.gone = true
    })
  }

  write(line: string): void {
    if (!this.gone && this.stream.writableLength < BACKLOG_BYTES) this.stream.write(line)
  }
}

/** For a file or a terminal: one write at a time on a thread, everything that came in between in the next. */
export class FileSink implements Sink {
  private readonly fd: number
  private queue: string[]
  private queued: number
  private writing: boolean

  constructor(fd: number) {
    this.fd = fd
    this.queue = []
    this.queued = 0
    this.writing = false
    process.once('exit', () => this.flush())
  }

  write(line: string): void {
    if (this.queued + line.length > BACKLOG_BYTES) return
    this.queue.push(line)
    this.queued += line.length
    if (!this.writing) this.next(this.take())
  }

  private next(bytes: Buffer): void {
    this.writing = true
    write(this.fd, bytes, (error, written) => {
      this.writing = false
      // A full disk: what was to be written is lost, and what comes later may find room again.
      if (error === null && written < bytes.length) this.next(bytes.subarray(written))
      else if (this.queue.length > 0) this.next(this.take())
    })
  }

  private take(): Buffer {
    const bytes = Buffer.from(this.queue.join(''))
    this.queue = []
    this.queued = 0
    return bytes
  }

  /**
   * The last lines, in one attempt. A write that is under way on its thread then ends by itself, perhaps behind these:
   * lines have their time in them.
   */
  private flush(): void {
    if (this.queue.length === 0) return
    try {
      writeSync(this.fd, this.take())
    } catch {
      // Nobody is left to tell.
    }
  }
}
