import { COLON, OPEN_BRACE } from '../json/bytes.js'
import { skipSpace, ValueScanner } from '../json/scanner.js'
import { parseJson } from '../json/values.js'
import { readUsage } from './event-fields.js'
import { readGeminiUsage } from './gemini-fields.js'
import type { ResponseStats } from './response-stats.js'

/**
 * Bytes of an event or a JSON response that are kept to be parsed. Of a longer one, the last `KEPT_END` bytes are
 * kept: the usage stands there, behind an image or behind the whole text, which the Responses API repeats.
 */
export const LONGEST = 1024 * 1024
export const KEPT_END = 16 * 1024

const USAGE_KEY = Buffer.from('"usage"')
const GEMINI_KEY = Buffer.from('"usageMetadata"')

/** Copies the last `KEPT_END` bytes. */
export function findLast(bytes: Buffer): Buffer {
  return Buffer.from(bytes.subarray(Math.max(0, bytes.length - KEPT_END)))
}

/** Reads the last usage object in the end of an event or a response whose beginning is gone. */
export function readTrailingUsage(end: Buffer, stats: ResponseStats): void {
  const usage = findTrailing(end, USAGE_KEY)
  if (usage !== undefined) readUsage(usage, stats)
  else readGeminiUsage(findTrailing(end, GEMINI_KEY), stats)
}

/** @returns the last object that is the value of the key; undefined if there is none, or it is not complete */
function findTrailing(end: Buffer, key: Buffer): unknown {
  for (let at = end.lastIndexOf(key); at !== -1; at = at === 0 ? -1 : end.lastIndexOf(key, at - 1)) {
    const colon = skipSpace(end, at + key.length)
    const open = skipSpace(end, colon + 1)
    if (end[colon] !== COLON || end[open] !== OPEN_BRACE) continue
    const after = new ValueScanner().skipNested(end, open + 1)
    return after === -1 ? undefined : parseJson(end.toString('utf8', open, after))
  }
  return undefined
}
