import type { Peek } from './peek.js'
import { isObject, parseJson } from './values.js'

/** Other bytes in place of those from `start` to `end` of a body. */
export interface Edit {
  readonly start: number
  readonly end: number
  readonly text: string
}

/**
 * The body with some of its bytes changed; every other byte stays as it was, so that the upstream's prompt cache still
 * knows the prompt. The body itself is not changed; one in several pieces is not copied either.
 * @param pieces at least up to the last edit's end
 * @param edits in their order, none within another
 */
export function applyEdits(pieces: readonly Buffer[], edits: readonly Edit[]): readonly Buffer[] {
  if (edits.length === 0) return pieces
  if (pieces.length === 1) return [splicePiece(pieces[0] as Buffer, edits)]
  const spliced: Buffer[] = []
  let base = 0
  let from = 0
  let n = 0
  for (const piece of pieces) {
    const end = base + piece.length
    // In the piece in which its first byte was.
    for (let edit = edits[n]; edit !== undefined && edit.start < end; edit = edits[++n]) {
      if (edit.start > from) spliced.push(piece.subarray(Math.max(0, from - base), edit.start - base))
      spliced.push(Buffer.from(edit.text))
      from = edit.end
    }
    if (from < end) spliced.push(from <= base ? piece : piece.subarray(from - base))
    base = end
    from = Math.max(from, base)
  }
  return spliced
}

/** Into one buffer at once, as it is sent: 0.65 us for 2 KB, of 0.8 where it is cut up and joined again (bench `routing`). */
function splicePiece(piece: Buffer, edits: readonly Edit[]): Buffer {
  let length = piece.length
  for (const { start, end, text } of edits) length += Buffer.byteLength(text) - (end - start)
  const spliced = Buffer.allocUnsafe(length)
  let from = 0
  let to = 0
  for (const { start, end, text } of edits) {
    to += piece.copy(spliced, to, from, start)
    to += spliced.write(text, to)
    from = end
  }
  piece.copy(spliced, to, from)
  return spliced
}

/** Puts another model name in place of its own; null if it has none. */
export function createModelEdit(found: Peek, model: string): Edit | null {
  if (found.model === null) return null
  return { start: found.model.start, end: found.model.end, text: JSON.stringify(model) }
}

/**
 * As `modelEdit`, for a request that names its model elsewhere: it is put in if the body has none.
 * @returns null if the body is no object, or an empty one, which no API takes
 */
export function createRequiredModelEdit(found: Peek, model: string): Edit | null {
  if (found.model !== null) return found.model.value === model ? null : createModelEdit(found, model)
  const start = found.objectStart
  return start === null ? null : { start, end: start, text: `"model":${JSON.stringify(model)},` }
}

const INCLUDE_USAGE = '{"include_usage":true}'

/**
 * Asks for a usage chunk (API reference, Create chat completion, `stream_options`).
 * @returns null if that is asked for already, or no stream is, or the options are none that can be changed
 */
export function createUsageEdit(found: Peek): Edit | null {
  const { stream, streamOptions } = found
  if (stream === null || !stream.value) return null
  if (streamOptions === null)
    return { start: stream.end, end: stream.end, text: `,"stream_options":${INCLUDE_USAGE}` }
  const { start, end, value } = streamOptions
  const options = parseJson(value)
  if (options === null) return { start, end, text: INCLUDE_USAGE }
  if (!isObject(options) || options.include_usage === true) return null
  return { start, end, text: JSON.stringify({ ...options, include_usage: true }) }
}
