import { createReadStream } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { LF } from '../../lib/bytes.js'

/** A longer one is no record, and is not kept in memory. */
const LONGEST_LINE = 1024 * 1024

/** What of a file is in memory at once: less takes longer, more is no faster. */
const PIECE = 256 * 1024

/**
 * Cuts the bytes of a file into lines, at line feeds only: a name in a record may hold other characters that end a line
 * elsewhere, such as U+2028.
 */
export class LineSplitter {
  private readonly onLine: (line: string) => void
  /** What came behind the last line end. */
  private rest: Buffer[]
  private restBytes: number

  /** @param onLine gets each line without its end */
  constructor(onLine: (line: string) => void) {
    this.onLine = onLine
    this.rest = []
    this.restBytes = 0
  }

  /** @param bytes which nobody writes to afterwards */
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

  /** What is left is a line, too, though nothing ended it. */
  end(): void {
    if (this.restBytes > 0) this.onLine(Buffer.concat(this.rest).toString())
    this.rest = []
    this.restBytes = 0
  }

  private keep(bytes: Buffer): void {
    // Its first piece is enough to tell that there was a line, and that it is none of ours.
    if (this.restBytes > LONGEST_LINE) return
    this.rest.push(bytes)
    this.restBytes += bytes.length
  }
}

/**
 * Reads a file line by line, in memory that does not grow with it.
 * @param onPiece is told of so many more bytes whose lines were had
 */
export async function readLines(
  path: string,
  onLine: (line: string) => void,
  onPiece: (bytes: number) => void = () => {},
): Promise<void> {
  const splitter = new LineSplitter(onLine)
  for await (const bytes of createReadStream(path, { highWaterMark: PIECE })) {
    splitter.push(bytes as Buffer)
    onPiece((bytes as Buffer).length)
  }
  splitter.end()
}

/** What is read at once of a file backwards: of a line here and there no more than is needed. */
const PIECE_BACK = 64 * 1024

/**
 * Reads a file's lines backwards: the lines of each piece, the last one first, without their ends. Stopping in between
 * leaves the rest of the file unread.
 * @param end where the last line ends, behind its line feed
 */
export async function* readBackwards(file: FileHandle, end: number): AsyncGenerator<string[]> {
  /** The start of what was read, whose line begins further ahead. */
  let rest: Buffer[] = []
  let restBytes = 0
  let at = end
  while (at > 0) {
    const size = Math.min(PIECE_BACK, at)
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafeSlow(size), 0, size, at - size)
    // It was cut short meanwhile.
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
    if (restBytes > LONGEST_LINE) continue
    const head = first === -1 ? buffer : buffer.subarray(0, first)
    rest.unshift(head)
    restBytes += head.length
  }
  if (end > 0) yield [Buffer.concat(rest).toString()]
}
