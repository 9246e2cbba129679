import { PartialBuffer } from '../lib/partial-buffer.js'
import { findMember, findOnly, parseOutline, readText, WHOLE } from './outline.js'
import type { Located } from './peek.js'

/** Longest session that is read, in bytes: one of the Realtime API has instructions and tools beside its model. */
const LONGEST = 256 * 1024

const SESSION = findOnly({ model: WHOLE })

/** Finds the model of a session (OpenAI, API reference, Realtime, client secrets) that may come in pieces. O(n). */
export class SessionModel {
  private readonly held: PartialBuffer
  private isTooLong: boolean

  constructor() {
    this.held = new PartialBuffer()
    this.isTooLong = false
  }

  /** Keeps a part of a session that continues in the next chunk. */
  keep(part: Buffer): void {
    this.isTooLong ||= this.held.bytes + part.length > LONGEST
    if (this.isTooLong) this.held.clear()
    else this.held.add(part)
  }

  /**
   * @param rest the end of the session, or all of it
   * @param start offset of the session in the body
   */
  find(rest: Buffer, start: number): Located<string> | null {
    const { held, isTooLong } = this
    this.isTooLong = false
    if (isTooLong || held.bytes + rest.length > LONGEST) {
      held.clear()
      return null
    }
    if (held.bytes === 0) return findModel(rest, start)
    held.add(rest)
    return findModel(held.take(), start)
  }
}

function findModel(session: Buffer, start: number): Located<string> | null {
  const found = findMember(parseOutline(session, SESSION), 'model')
  const value = readText(session, found)
  if (found === null || value === null) return null
  return { value, start: start + found.start, end: start + found.end }
}
