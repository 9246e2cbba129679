import { createHash, type Hash } from 'node:crypto'

/** Hex digits of a link: 128 bits are enough against a change that somebody has tried to fit. */
const DIGITS = 32

/**
 * The chain of a writer's batches. The first record of each batch has the link to the batch before it: a hash of that
 * batch's own link and of the bytes of all its lines. A line that was changed, removed, moved or inserted later gives
 * another hash than the next batch says.
 *
 * There is no secret in it: who rewrites a whole file can compute the chain again. It makes tampering evident, and
 * cannot prevent it.
 */
export class Link {
  private readonly hash: Hash

  /** @param previous the link in the first record of the batch */
  constructor(previous: string) {
    this.hash = createHash('sha256').update(previous)
  }

  /** Adds lines of the batch, with their line ends. */
  add(lines: string | Buffer): this {
    this.hash.update(lines)
    return this
  }

  /** Ends the batch. @returns the link that the next batch has */
  close(): string {
    return this.hash.digest('hex').slice(0, DIGITS)
  }
}

/** The link in the first record of a writer. */
export function firstLink(writer: string): string {
  return new Link(writer).close()
}

/** Adds the link to a record. @param line as `formatRecord` returns it */
export function withLink(line: string, link: string): string {
  return `${line.slice(0, -2)},"chain":"${link}"}\n`
}
