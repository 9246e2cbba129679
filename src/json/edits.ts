import type { Peek } from './peek.js'
import { isObject, parseJson } from './values.js'

/** Replaces the bytes of a body from `start` to `end` by a text. */
export interface Edit {
  readonly start: number
  readonly end: number
  readonly text: string
}

/**
 * Applies edits to a body. All other bytes stay as they were, so that the upstream's prompt cache still matches the
 * prompt. The given chunks are not changed; a body of several chunks is not copied either.
 * @param chunks the body, at least up to the end of the last edit
 * @param edits sorted, none of them overlapping another
 */
export function applyEdits(chunks: readonly Buffer[], edits: readonly Edit[]): readonly Buffer[] {
  if (edits.length === 0) return chunks
  if (chunks.length === 1) return [spliceChunk(chunks[0] as Buffer, edits)]
  const spliced: Buffer[] = []
  let base = 0
  let from = 0
  let n = 0
  for (const chunk of chunks) {
    const end = base + chunk.length
    // An edit goes into the chunk that has its first byte.
    for (let edit = edits[n]; edit !== undefined && edit.start < end; edit = edits[++n]) {
      if (edit.start > from) spliced.push(chunk.subarray(Math.max(0, from - base), edit.start - base))
      spliced.push(Buffer.from(edit.text))
      from = edit.end
    }
    if (from < end) spliced.push(from <= base ? chunk : chunk.subarray(from - base))
    base = end
    from = Math.max(from, base)
  }
  return spliced
}

/**
 * Writes one buffer, in the form in which it is sent: 0.65 us for 2 KB; cutting and joining takes 0.8 (bench
 * `routing`).
 */
function spliceChunk(chunk: Buffer, edits: readonly Edit[]): Buffer {
  let length = chunk.length
  for (const { start, end, text } of edits) length += Buffer.byteLength(text) - (end - start)
  const spliced = Buffer.allocUnsafe(length)
  let from = 0
  let to = 0
  for (const { start, end, text } of edits) {
    to += chunk.copy(spliced, to, from, start)
    to += spliced.write(text, to)
    from = end
  }
  chunk.copy(spliced, to, from)
  return spliced
}

/** Replaces the model name, in each place where a server may read it; no edit if the body has none. */
export function createModelEdits(found: Peek, model: string): Edit[] {
  const text = found.formBoundary === null ? JSON.stringify(model) : model
  const places = found.modelCopies.length > 0 ? found.modelCopies : found.model === null ? [] : [found.model]
  return places.map(({ start, end }) => ({ start, end, text }))
}

/**
 * Replaces the model name, or inserts one if the body has none, for a request that names its model in its path.
 * @returns no edit if the body has this name already, or is neither an object nor a form
 */
export function createRequiredModelEdits(found: Peek, model: string): Edit[] {
  if (found.modelCopies.length > 0) return createModelEdits(found, model)
  if (found.model !== null) return found.model.value === model ? [] : createModelEdits(found, model)
  const { objectStart: start, formBoundary } = found
  if (start !== null) return [{ start, end: start, text: `"model":${JSON.stringify(model)},` }]
  if (formBoundary === null) return []
  const part = `--${formBoundary}\r\nContent-Disposition: form-data; name="model"\r\n\r\n${model}\r\n`
  return [{ start: 0, end: 0, text: part }]
}

const INCLUDE_USAGE = '{"include_usage":true}'

/**
 * Requests a usage chunk (API reference, Create chat completion, `stream_options`).
 * @returns null if the body requests one already, requests no stream, or has options that are no object
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
