import { isObject, parseJson } from '../json/values.js'
import { PartialBuffer } from '../lib/partial-buffer.js'
import type { ErrorFacts } from '../routing/error-facts.js'
import { readErrorFacts } from '../routing/error-facts.js'
import type { Beginning } from './first-content.js'

/** A beginning that is still undecided after this many bytes is an answer. */
const UNDECIDED_MAX = 2_048

/** A longer error is passed on. */
const ERROR_MAX = 64 * 1024

/** Members that say nothing of whether an answer follows, if their value is a scalar. */
const NEUTRAL: ReadonlySet<string> = new Set([
  ...[
    'id',
    'object',
    'type',
    'model',
    'created',
    'created_at',
    'status',
    'request_id',
    'requestId',
    'provider',
  ],
  ...[
    'code',
    'message',
    'msg',
    'success',
    'background',
    'completed_at',
    'system_fingerprint',
    'service_tier',
  ],
  ...['timestamp', 'path', 'statusCode', 'detail', 'incomplete_details', 'instructions', 'error', 'errors'],
])

/** A member with a scalar value, and the comma behind it. */
const MEMBER = /^\s*"([^"\\]{1,100})"\s*:\s*("(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null)\s*(,|\})/
const ERROR_KEY = /^\s*"errors?"\s*:\s*[{["]/
const KEY = /^\s*"([^"\\]{1,100})"\s*:/

/**
 * Reads the beginning of a JSON body until it shows an answer or an error in its place. Only the members at the front
 * are looked at: an error has one of its own, and an answer begins with its content or with names and numbers.
 */
export class JsonBeginning {
  /** The error, when the body has one in place of an answer and is complete. */
  facts: ErrorFacts | null
  private readonly held: PartialBuffer
  private found: Beginning

  constructor() {
    this.facts = null
    this.held = new PartialBuffer()
    this.found = 'empty'
  }

  /** @returns `empty` also while an error is not complete */
  push(chunk: Buffer): Beginning {
    if (this.found === 'content') return 'content'
    const { held } = this
    held.add(chunk)
    if (this.found === 'empty') this.found = judgeBeginning(held.beginning(UNDECIDED_MAX))
    const isTooLong = held.bytes > (this.found === 'error' ? ERROR_MAX : UNDECIDED_MAX)
    if (isTooLong) this.found = 'content'
    return this.found === 'content' ? 'content' : 'empty'
  }

  /** The body is complete. */
  end(): Beginning {
    const text = this.held.take().toString('utf8')
    const body = this.found === 'error' ? parseJson(text) : null
    if (isObject(body)) {
      this.facts = readErrorFacts(body, Date.now())
      return 'error'
    }
    return text.trim() === '' ? 'empty' : 'content'
  }
}

/** @param text the first bytes of the body, as Latin-1 */
function judgeBeginning(text: string): Beginning {
  const open = /^(?:\xef\xbb\xbf)?\s*(\S)?/.exec(text)
  // Nothing, or a part of the byte order mark.
  if (open === null || open[1] === undefined || /^\xef\xbb?$/.test(text)) return 'empty'
  if (open[1] !== '{') return 'content'
  let rest = text.slice(open[0].length)
  for (;;) {
    const member = MEMBER.exec(rest)
    if (member === null) return judgeOpenMember(rest)
    const [whole, key = '', value = '', after] = member
    // FastChat and vLLM: {"object": "error", ...}; Anthropic: {"type": "error", ...}.
    if ((key === 'object' || key === 'type') && value === '"error"') return 'error'
    if (/^errors?$/.test(key) && value.length > 2 && value !== 'null' && value !== 'false') return 'error'
    if (!NEUTRAL.has(key)) return 'content'
    if (after === '}') return 'content'
    rest = rest.slice(whole.length)
  }
}

/** Judges a member whose value is no scalar, or has not all arrived. */
function judgeOpenMember(rest: string): Beginning {
  if (ERROR_KEY.test(rest)) return 'error'
  const key = KEY.exec(rest)?.[1]
  if (key === undefined) return /^\s*(?:"[^"]*"?\s*)?$/.test(rest) ? 'empty' : 'content'
  if (!NEUTRAL.has(key)) return 'content'
  // An array or an object in a neutral place belongs to an answer.
  return /^\s*"[^"]*"\s*:\s*[[{]/.test(rest) ? 'content' : 'empty'
}
