import { readUsage } from './event-fields.js'
import type { ResponseStats } from './response-stats.js'

/**
 * Of an event or an answer that is longer, its end alone is kept: the usage stands there, behind an image or the whole
 * answer that the Responses API repeats.
 */
export const LONGEST = 1024 * 1024
export const KEPT_END = 16 * 1024

const USAGE = Buffer.from('"usage"')

export function findLast(bytes: Buffer): Buffer {
  return Buffer.from(bytes.subarray(Math.max(0, bytes.length - KEPT_END)))
}

/** Finds the last usage object in the end of an event whose beginning is gone. */
export function readTrailingUsage(end: Buffer, stats: ResponseStats): void {
  const at = end.lastIndexOf(USAGE)
  const open = at === -1 ? -1 : end.indexOf('{', at)
  if (open === -1) return
  let depth = 0
  for (let i = open; i < end.length; i++) {
    if (end[i] === 0x7b) depth++
    else if (end[i] === 0x7d && --depth === 0) {
      try {
        readUsage(JSON.parse(end.toString('utf8', open, i + 1)), stats)
      } catch {
        // Not the object that it looked like.
      }
      return
    }
  }
}
