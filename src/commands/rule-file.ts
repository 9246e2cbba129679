import { closeSync, openSync, readSync } from 'node:fs'
import { findRuleList, type KeyRuleEntries, readKeyRules } from '../access/key-rules.js'
import { describeSyntaxError } from '../config/config-file.js'
import { findDuplicates } from '../config/duplicates.js'
import type { LimitRule } from '../config/limit-rules.js'
import { findLimitDoubts, type LimitDoubts } from '../config/limit-warnings.js'
import type { Problem } from '../config/problems.js'
import { readErrorCode } from '../lib/error-code.js'

/** No file of rules is longer, even with much space in it. */
const MOST_BYTES = 1024 * 1024

/** In the place of the id of a key that is not known yet. */
const ANY_KEY = 'k_0000000000'

/**
 * Reads the file of `thinwire keys set KEY --limits FILE`.
 * @returns the rules as they are written, or null and one line for each problem. No line repeats the name of the file:
 * somebody may have put a key in its place
 */
export function readRuleFile(file: string): {
  readonly entries: KeyRuleEntries | null
  readonly problems: readonly string[]
  /** What works, and is likely to surprise: one line each. */
  readonly warnings: readonly string[]
} {
  const text = readText(file)
  if (typeof text !== 'string') return fail([text])
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return fail([{ path: '', message: describeSyntaxError(text, error as Error) }])
  }
  const duplicates = findDuplicates(text)
  if (duplicates.length > 0) return fail(duplicates)
  const found = findRuleList(value)
  if ('message' in found) return fail([found])
  const { rules, problems } = readKeyRules(found.entries, found.path, ANY_KEY)
  if (problems !== null) return fail(problems)
  const doubts = findDoubts(rules, found.path)
  if (doubts.problems.length > 0) return fail(doubts.problems)
  return { entries: found.entries, problems: [], warnings: doubts.warnings }
}

/** The same as for rules of the config. Its other settings are not known here. */
function findDoubts(rules: readonly LimitRule[], path: string): LimitDoubts {
  return findLimitDoubts(
    {
      rules: rules.map((rule, i) => ({ ...rule, place: `${path}[${i}]` })),
      unpriced: 'assume',
      alerts: { url: null, secret: null, at: [], maxQueued: 0 },
    },
    {
      maxConcurrentRequests: Number.POSITIVE_INFINITY,
      maxConcurrentRequestsPerKey: Number.POSITIVE_INFINITY,
    },
    'keys',
  )
}

function fail(problems: readonly Problem[]): ReturnType<typeof readRuleFile> {
  const lines = problems.map(({ path, message }) => (path === '' ? `FILE ${message}` : `${path}: ${message}`))
  return { entries: null, problems: lines, warnings: [] }
}

/** A pipe is read, too: `--limits <(jq ...)`. */
function readText(file: string): string | Problem {
  try {
    const fd = openSync(file, 'r')
    try {
      const buffer = Buffer.alloc(MOST_BYTES + 1)
      let length = 0
      for (let read = -1; read !== 0 && length < buffer.length; length += read)
        read = readSync(fd, buffer, length, buffer.length - length, null)
      if (length > MOST_BYTES) return { path: '', message: `must be at most ${MOST_BYTES} bytes long` }
      // Some editors on Windows put a byte order mark first.
      return buffer.toString('utf8', 0, length).replace(/^\uFEFF/, '')
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    const code = readErrorCode(error)
    const remedy = code === 'ENOENT' ? '; give the path of a JSON file, or none' : ''
    return { path: '', message: `cannot be read (${code})${remedy}` }
  }
}
