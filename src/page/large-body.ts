import { type CsvValue, listCsvLines } from '../lib/csv.js'
import { Pace } from '../rollups/pace.js'

/** Characters that are made between two looks at the clock. What is shorter is made at once. */
const PIECE_CHARS = 16_384

/** How deep objects are made piece by piece; what is in them further down is small. */
const DEPTH = 2

/** The same as `JSON.stringify`, in short turns. */
export function formatLargeJson(value: unknown): Promise<string | Buffer> {
  return join(listJson(value, DEPTH))
}

/** @param rows are made as they are written */
export function formatLargeCsv(
  columns: readonly string[],
  rows: Iterable<readonly CsvValue[]>,
): Promise<string | Buffer> {
  return join(listCsvLines(columns, rows))
}

async function join(pieces: Iterable<string>): Promise<string | Buffer> {
  const done: Buffer[] = []
  let text = ''
  let pace: Pace | null = null
  for (const piece of pieces) {
    text += piece
    if (text.length < PIECE_CHARS) continue
    done.push(Buffer.from(text))
    text = ''
    if (pace === null) pace = await Pace.begin()
    else if (pace.isTimeUp) await pace.rest()
  }
  if (done.length === 0) return text
  return Buffer.concat([...done, Buffer.from(text)])
}

/** Each row of a list is one piece. */
function* listJson(value: unknown, depth: number): Generator<string> {
  if (Array.isArray(value)) {
    let mark = '['
    for (const item of value) {
      yield `${mark}${JSON.stringify(item) ?? 'null'}`
      mark = ','
    }
    yield mark === '[' ? '[]' : ']'
    return
  }
  if (depth === 0 || typeof value !== 'object' || value === null) {
    yield JSON.stringify(value) ?? 'null'
    return
  }
  let mark = '{'
  for (const [name, field] of Object.entries(value)) {
    if (field === undefined) continue
    yield `${mark}${JSON.stringify(name)}:`
    yield* listJson(field, depth - 1)
    mark = ','
  }
  yield mark === '{' ? '{}' : '}'
}
