/** A JSON object of a client's, which may have anything in it. */
export type Fields = Readonly<Record<string, unknown>>

/** The object itself, or an empty one if the value is none. */
export function fieldsOf(value: unknown): Fields {
  return isObject(value) ? value : {}
}

export function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The array itself, or an empty one if the value is none. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** An empty one if the value is no text. */
export function stringOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
