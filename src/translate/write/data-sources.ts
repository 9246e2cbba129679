import type { DataSource, FilePart, ImagePart, JsonString, Part } from '../conversation.js'
import { readInner } from './json-text.js'
import type { RequestFields } from './request-fields.js'

/** A data URL as a JSON string. Base64 has no character that JSON escapes but `/`, which may be escaped. */
const DATA_URL = /^"data:([^;,"\\]+(?:\\?\/[^;,"\\]+)*)((?:;[^;,"\\]*)*);base64,/i

/** The source, with a data URL taken apart. */
export function splitDataUrl(source: DataSource): DataSource {
  if (source.kind !== 'url') return source
  const found = DATA_URL.exec(source.url.slice(0, 256))
  if (found === null) return source
  const mediaType = (found[1] as string).replaceAll('\\/', '/').toLowerCase()
  return { kind: 'base64', mediaType, data: `"${source.url.slice(found[0].length)}` }
}

/** The URL of a source, a data URL for bytes; null if it has none. */
export function formatUrl(source: DataSource): JsonString | null {
  if (source.kind === 'url') return source.url
  if (source.kind !== 'base64') return null
  return `"data:${readInner(JSON.stringify(source.mediaType))};base64,${readInner(source.data)}"`
}

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  heic: 'image/heic',
  pdf: 'application/pdf',
  txt: 'text/plain',
}

/** The media type of what is at a URL, by the end of its path. */
export function guessMediaType(url: JsonString, part: ImagePart | FilePart): string {
  const path = readInner(url).split(/[?#]/, 1)[0] as string
  const ending = /\.([a-z]{3,4})$/i.exec(path.slice(-8))?.[1]?.toLowerCase() ?? ''
  return MEDIA_TYPES[ending] ?? (part.type === 'image' ? 'image/jpeg' : 'application/pdf')
}

const FIELD_NAMES = { image: 'image_url', file: 'file', audio: 'input_audio', text: 'content' } as const

/**
 * The text in place of a part that the target cannot take, as JSON. Without it a message could end up empty, and the
 * model would not know that it misses something.
 */
export function replacePart(part: Part, fields: RequestFields): JsonString {
  fields.drop(FIELD_NAMES[part.type])
  if (part.type === 'image') return '"[An image was left out here: it cannot be sent to this model.]"'
  if (part.type === 'audio') return '"[A sound was left out here: it cannot be sent to this model.]"'
  return '"[A file was left out here: it cannot be sent to this model.]"'
}

/** All parts as texts, for a message that may have texts alone. */
export function listAsTexts(parts: readonly Part[], fields: RequestFields): JsonString[] {
  return parts.map((part) => (part.type === 'text' ? part.text : replacePart(part, fields)))
}

/** The plain text of a file, as a JSON string; null if it is no text. */
export function readFileText({ source }: FilePart): JsonString | null {
  if (source.kind === 'text') return source.text
  if (source.kind !== 'base64' || !/^text\//i.test(source.mediaType)) return null
  return JSON.stringify(Buffer.from(readInner(source.data).replaceAll('\\/', '/'), 'base64').toString())
}
