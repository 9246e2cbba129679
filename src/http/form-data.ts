import { decodeAscii } from '../lib/percent.js'

/** A field of a form that may be read as the model. */
export interface FormModel {
  /** Null if it cannot be told how a server reads it: a file, an encoded value, characters that are not ASCII. */
  readonly value: string | null
  /** Places in the body: of the first byte of the value, and behind its last one. */
  readonly start: number
  readonly end: number
  /** The field is `model`, written plainly. */
  readonly isExact: boolean
}

export interface FormModels {
  /** Every reader finds the same fields in the form. */
  readonly isWhole: boolean
  readonly models: readonly FormModel[]
  /** Places of the fields `session`, which are JSON (OpenAI, API reference, Realtime calls). */
  readonly sessions: readonly Pick<FormModel, 'start' | 'end'>[]
}

const BROKEN: FormModels = { isWhole: false, models: [], sessions: [] }

/** Bytes of the longest head of a part. */
const HEAD_MAX = 16 * 1024

const DASH = 0x2d
const CR = 0x0d
const LF = 0x0a

/**
 * Finds the models that a form names (RFC 7578). It reads strictly: a form that another parser may cut differently (a
 * bare line feed, a boundary within a file, a doubled name, escapes) is not whole. Linear in its length.
 */
export function readFormModels(body: Buffer, boundary: string): FormModels {
  const delimiter = Buffer.from(`--${boundary}`, 'latin1')
  const models: FormModel[] = []
  const sessions: { start: number; end: number }[] = []
  if (body.indexOf(delimiter) !== 0) return BROKEN
  let at = delimiter.length
  while (!isAt(body, at, DASH, DASH)) {
    if (!isAt(body, at, CR, LF)) return BROKEN
    const headStart = at + 2
    const next = body.indexOf(delimiter, headStart)
    const headEnd = body.indexOf('\r\n\r\n', headStart, 'latin1')
    if (next === -1 || headEnd === -1 || headEnd + 4 > next - 2 || headEnd - headStart > HEAD_MAX)
      return BROKEN
    if (!isAt(body, next - 2, CR, LF)) return BROKEN
    const head = readHead(body.toString('latin1', headStart, headEnd))
    if (head === null) return BROKEN
    if (isLikeModel(head.name)) {
      const start = headEnd + 4
      const end = next - 2
      const text = head.isPlain && end - start <= 1024 ? body.toString('latin1', start, end) : ''
      const value = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(text) ? text : null
      models.push({ value, start, end, isExact: head.name === 'model' && head.isPlain })
    }
    if (head.name.toLowerCase() === 'session') sessions.push({ start: headEnd + 4, end: next - 2 })
    at = next + delimiter.length
  }
  const rest = body.length - at - 2
  return rest === 0 || (rest === 2 && isAt(body, at + 2, CR, LF))
    ? { isWhole: true, models, sessions }
    : BROKEN
}

function isAt(body: Buffer, at: number, first: number, second: number): boolean {
  return body[at] === first && body[at + 1] === second
}

interface PartHead {
  readonly name: string
  /** It is a text of ASCII that stands for itself. */
  readonly isPlain: boolean
}

const LINE = /^([\w!#$%&'*+.^`|~-]+):[ \t]*([^\r\n\0]*)$/
const PARAMETER = /\s*;\s*(name|filename|filename\*)=(?:"((?:[^"\\]|\\(?!"))*)"|([^\s";,\\]+))/giy

/** @returns null if it can be read in several ways */
function readHead(text: string): PartHead | null {
  let name: string | null = null
  let isPlain = true
  for (const line of text.split('\r\n')) {
    const [, field, value = ''] = LINE.exec(line) ?? []
    if (field === undefined) return null
    switch (field.toLowerCase()) {
      case 'content-disposition': {
        const disposition: Disposition | null = name === null ? readDisposition(value) : null
        if (disposition === null) return null
        name = disposition.name
        if (disposition.isFile) isPlain = false
        break
      }
      case 'content-type':
        if (/^\s*multipart\//i.test(value)) return null
        if (!/^\s*text\/plain\s*(?:;\s*charset="?(?:utf-?8|us-ascii)"?\s*)?$/i.test(value)) isPlain = false
        break
      case 'content-transfer-encoding':
        if (!/^\s*(?:7bit|8bit|binary)\s*$/i.test(value)) isPlain = false
    }
  }
  // It names the charset of all other fields (HTML standard, 4.10.21.5).
  return name === null || name === '_charset_' ? null : { name, isPlain }
}

interface Disposition {
  readonly name: string
  readonly isFile: boolean
}

function readDisposition(value: string): Disposition | null {
  const kind = /^\s*form-data/i.exec(value)
  if (kind === null) return null
  const found = new Map<string, string>()
  let end = kind[0].length
  PARAMETER.lastIndex = end
  for (let match = PARAMETER.exec(value); match !== null; match = PARAMETER.exec(value)) {
    const key = (match[1] as string).toLowerCase()
    if (found.has(key)) return null
    found.set(key, match[2] ?? match[3] ?? '')
    end = PARAMETER.lastIndex
  }
  const name = found.get('name')
  if (name === undefined || name.includes('\\') || value.slice(end).trim() !== '') return null
  return { name, isFile: found.size > 1 }
}

/** Whether some server may take the name for `model`: in other letters, percent-encoded, or as part of a list. */
function isLikeModel(name: string): boolean {
  if (name === 'model') return true
  return /^[\s\0]*model[\s\0]*(?:[[.].*)?$/i.test(decodeAscii(name))
}
