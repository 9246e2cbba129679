import { createReadStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { LF } from '../../lib/bytes.js'

/** A longer line cannot be a record and is not kept in memory; bytes. */
const MAX_LINE = 1024 * 1024

/** Bytes of a file that are read at once. Fewer are slower, more are no faster. */
const CHUNK_BYTES = 256 * 1024

/**
 * Splits the bytes of a file into lines, at line feeds only: a name in a record may contain other characters that end a
 * line elsewhere, such as U+2028.
 */
export class LineSplitter {
  private readonly onLine: (line: string) => void
  private readonly maxBytes: number
  /** Bytes after the last line end. */
  private rest: Buffer[]
  private restBytes: number

  /**
   * @param onLine gets each line without its end
   * @param maxBytes of a line: of a longer one, only the beginning is kept, and the chunk with its end
   */
  constructor(onLine: (line: string) => void, maxBytes = MAX_LINE) {
    this.onLine = onLine
    this.maxBytes = maxBytes
    this.rest = []
    this.restBytes = 0
  }

  /** @param bytes are kept, so the caller must not write to them afterwards */
  push(bytes: Buffer): void {
    const end = bytes.lastIndexOf(LF)
    if (end === -1) {
      this.keep(bytes)
      return
    }
    const whole = bytes.subarray(0, end + 1)
    const text = (this.rest.length === 0 ? whole : Buffer.concat([...this.rest, whole])).toString()
    this.rest = []
    this.restBytes = 0
    if (end + 1 < bytes.length) this.keep(bytes.subarray(end + 1))
    let start = 0
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', start)) {
      this.onLine(text.slice(start, at))
      start = at + 1
    }
  }

  /** Ends the input. The rest is a line too, without a line end. */
  end(): void {
    if (this.restBytes > 0) this.onLine(Buffer.concat(this.rest).toString())
    this.rest = []
    this.restBytes = 0
  }

  private keep(bytes: Buffer): void {
    // The first part is enough to report a line that is not a record.
    if (this.restBytes > this.maxBytes) return
    this.rest.push(bytes)
    this.restBytes += bytes.length
  }
}

/**
 * Reads a file line by line, in memory that does not grow with it.
 * @param onProgress called with a number of bytes, after their lines
 */
export async function readLines(
  path: string,
  onLine: (line: string) => void,
  onProgress: (bytes: number) => void = () => {},
): Promise<void> {
  const splitter = new LineSplitter(onLine)
  for await (const bytes of createReadStream(path, { highWaterMark: CHUNK_BYTES })) {
    splitter.push(bytes as Buffer)
    onProgress((bytes as Buffer).length)
  }
  splitter.end()
}

/** Bytes that are read at once backwards. Small, as often only a few lines are needed. */
const BACKWARD_CHUNK_BYTES = 64 * 1024

/**
 * Reads the lines of a file backwards, without line ends: yields the lines of each chunk, the last line first. A caller
 * that stops early leaves the rest of the file unread.
 * @param end offset after the line feed of the last line
 */
export async function* readBackwards(file: FileHandle, end: number): AsyncGenerator<string[]> {
  /** The bytes up to the first line feed that was read: the end of a line whose start is not read yet. */
  let rest: Buffer[] = []
  let restBytes = 0
  let at = end
  while (at > 0) {
    const size = Math.min(BACKWARD_CHUNK_BYTES, at)
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafeSlow(size), 0, size, at - size)
    // The file was truncated meanwhile.
    if (bytesRead < size) return
    at -= size
    const first = buffer.indexOf(LF)
    if (first !== -1) {
      const tail = buffer.subarray(first + 1)
      const text = Buffer.concat([tail, ...rest]).toString()
      rest = []
      restBytes = 0
      yield text.split('\n').reverse()
    }
    if (restBytes > MAX_LINE) continue
    const head = first === -1 ? buffer : buffer.subarray(0, first)
    rest.unshift(head)
    restBytes += head.length
  }
  if (end > 0) yield [Buffer.concat(rest).toString()]
}

/**
 * Reads a file backwards, line by line.
 * @param take false: no more of it
 * @returns whether all of the file was taken
 */
export async function readBack(path: string, take: (line: string) => boolean): Promise<boolean> {
  const file = await open(path)
  try {
    const stats = await file.stat()
    if (!stats.isFile()) return true
    for await (const lines of readBackwards(file, stats.size)) if (!lines.every(take)) return false
    return true
  } finally {
    await file.close()
  }
}
