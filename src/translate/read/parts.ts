import { findMember, findString, isEmptyValue, sliceText, type Value } from '../../json/outline.js'
import type { DataSource, Json, JsonString, Part } from '../conversation.js'
import { copyMember, copyString, readMember, readWord } from './values.js'

/** Whether the JSON string has no character: no API takes it as a part. */
export function isEmptyText(json: JsonString): boolean {
  return json.length === 2
}

/**
 * Whether the JSON string has white space alone, or nothing. Messages refuses a text block of it ("text content blocks
 * must contain non-whitespace text").
 */
export function isBlankText(json: JsonString): boolean {
  let i = 1
  while (i < json.length - 1) {
    let character = json[i] as string
    if (character === '\\') {
      const name = json[i + 1] as string
      if (name === 'u') {
        character = String.fromCharCode(Number.parseInt(json.slice(i + 2, i + 6), 16))
        i += 4
      } else character = BLANK_ESCAPES.includes(name) ? ' ' : name
      i++
    }
    if (!BLANK.test(character)) return false
    i++
  }
  return true
}

const BLANK = /^\s$/
const BLANK_ESCAPES = 'nrtf'

/** A text part; null for an empty text. */
export function createTextPart(
  text: JsonString | null,
  cache: Json | null = null,
  isRefusal = false,
): Part | null {
  return text === null || isEmptyText(text) ? null : { type: 'text', text, isRefusal, cache }
}

/** Reads the parts of one content, and hands the marks of empty ones to those before them. */
export class PartReader {
  private readonly body: Buffer
  private readonly skip: (key: string) => void

  /** @param skip gets the names of parts that no other API has, as `content[TYPE]` */
  constructor(body: Buffer, skip: (key: string) => void) {
    this.body = body
    this.skip = skip
  }

  /**
   * Adds all parts of a content that is a text, a list or one part. Any other value, which a tool's result may be, is
   * taken for its JSON text.
   * @returns the mark of an empty part that has none before it; null if there is none
   */
  addContent(content: Value | null, parts: Part[]): Json | null {
    const { body } = this
    if (content === null || isEmptyValue(body, content)) return null
    if (content.elements !== null) {
      let lost: Json | null = null
      for (const part of content.elements) lost = this.addPart(part, parts) ?? lost
      return lost
    }
    if (content.members !== null && findMember(content, 'type') !== null) return this.addPart(content, parts)
    const text = findString(body, content)
      ? sliceText(body, content)
      : JSON.stringify(sliceText(body, content))
    const part = createTextPart(text)
    if (part !== null) parts.push(part)
    return null
  }

  /** Adds one part. @returns its mark, if neither it nor a part before it can have it; else null */
  addPart(value: Value, parts: Part[]): Json | null {
    const { body } = this
    const text = findString(body, value)
    const cache = copyMember(body, value, 'cache_control')
    const before = parts.length
    if (text !== null) {
      const part = createTextPart(sliceText(body, text))
      if (part !== null) parts.push(part)
    } else if (value.members !== null) this.addTyped(value, cache, parts)
    if (parts.length > before || cache === null) return null
    return markLast(parts, cache) ? null : cache
  }

  private addTyped(value: Value, cache: Json | null, parts: Part[]): void {
    const { body } = this
    const type = readWord(body, findMember(value, 'type'))
    let part: Part | null = null
    switch (type) {
      case 'text':
      case 'input_text':
      case 'output_text':
      case null:
        part = createTextPart(copyString(body, value, 'text'), cache)
        break
      case 'refusal':
        part = createTextPart(copyString(body, value, 'refusal'), cache, true)
        break
      case 'image_url':
      case 'input_image':
      case 'image':
        part = this.readImage(value, cache)
        break
      case 'file':
      case 'input_file':
      case 'document':
        part = this.readFile(value, cache, parts)
        break
      case 'input_audio': {
        const audio = findMember(value, 'input_audio')
        const data = copyString(body, audio, 'data')
        if (data !== null)
          part = { type: 'audio', data, format: readMember(body, audio, 'format') ?? 'wav', cache }
        break
      }
      case 'search_result':
        this.addContent(findMember(value, 'content'), parts)
        if (cache !== null) markLast(parts, cache)
        break
      default:
        this.skip(`content[${type.slice(0, 64)}]`)
    }
    if (part !== null) parts.push(part)
  }

  private readImage(value: Value, cache: Json | null): Part | null {
    const { body } = this
    const image = findMember(value, 'image_url')
    const source =
      this.readUrl(findString(body, image) ?? findMember(image, 'url')) ??
      this.readId(value) ??
      this.readSource(findMember(value, 'source'))
    if (source === null) return null
    const detail = readMember(body, image, 'detail') ?? readMember(body, value, 'detail')
    return { type: 'image', source, detail: DETAILS.has(detail) ? detail : null, cache }
  }

  /** A document of Messages may have parts of its own, which become parts of the message. */
  private readFile(value: Value, cache: Json | null, parts: Part[]): Part | null {
    const { body } = this
    const inner = findMember(value, 'file')
    const file = inner?.members ? inner : value
    const name = copyString(body, file, 'filename') ?? copyString(body, value, 'title')
    const own = findMember(value, 'source')
    const content = findMember(own, 'content')
    if (content !== null) {
      this.addContent(content, parts)
      if (cache !== null) markLast(parts, cache)
      return null
    }
    const source =
      this.readData(findString(body, findMember(file, 'file_data'))) ??
      this.readUrl(findMember(file, 'file_url')) ??
      this.readId(file) ??
      this.readSource(own)
    return source === null ? null : { type: 'file', source, name, cache }
  }

  /** `file_data` is a data URL, or base64 alone. */
  private readData(value: Value | null): DataSource | null {
    if (value === null) return null
    const source = this.readUrl(value)
    if (source === null || source.kind !== 'url') return source
    return { kind: 'base64', mediaType: 'application/pdf', data: source.url }
  }

  private readUrl(value: Value | null): DataSource | null {
    const string = findString(this.body, value)
    return string === null ? null : readUrl(sliceText(this.body, string))
  }

  private readId(value: Value): DataSource | null {
    const id = copyString(this.body, value, 'file_id')
    return id === null || isEmptyText(id) ? null : { kind: 'id', id }
  }

  /** The `source` of Messages. */
  private readSource(source: Value | null): DataSource | null {
    const { body } = this
    const data = copyString(body, source, 'data')
    switch (readMember(body, source, 'type')) {
      case 'base64':
        if (data === null || isEmptyText(data)) return null
        return { kind: 'base64', mediaType: fixMediaType(readMember(body, source, 'media_type') ?? ''), data }
      case 'url':
        return this.readUrl(findMember(source, 'url'))
      case 'file':
        return source === null ? null : this.readId(source)
      case 'text':
        return data === null || isEmptyText(data) ? null : { kind: 'text', text: data }
      default:
        return null
    }
  }
}

/** Gives a mark to the last part, unless it has its own. @returns false if there is no part */
export function markLast(parts: Part[], cache: Json): boolean {
  const last = parts[parts.length - 1]
  if (last === undefined) return false
  if (last.cache === null) parts[parts.length - 1] = { ...last, cache }
  return true
}

const DETAILS: ReadonlySet<string | null> = new Set(['low', 'high', 'auto'])

/** In characters. The comma of a data URL is nearer. */
const LONGEST_PREFIX = 256

const DATA_URL = /^data:([^;,]*)(?:;[^,]*)?;base64$/i

/** Where a URL points to: base64 for a data URL. @param url JSON string. @returns null if it is empty */
export function readUrl(url: JsonString): DataSource | null {
  if (isEmptyText(url)) return null
  if (!/^"data:/i.test(url)) return { kind: 'url', url }
  const comma = url.slice(0, LONGEST_PREFIX).indexOf(',')
  const match = comma === -1 ? null : DATA_URL.exec(decodePrefix(url.slice(1, comma)))
  if (match === null) return { kind: 'url', url }
  return { kind: 'base64', mediaType: fixMediaType(match[1] as string), data: `"${url.slice(comma + 1)}` }
}

/** Some JSON writers escape slashes. */
function decodePrefix(escaped: string): string {
  if (!escaped.includes('\\')) return escaped
  try {
    return JSON.parse(`"${escaped}"`) as string
  } catch {
    return escaped
  }
}

/** Clients write `image/jpg`, which vendors refuse: the registered name is `image/jpeg`. */
function fixMediaType(type: string): string {
  return type === 'image/jpg' ? 'image/jpeg' : type
}
