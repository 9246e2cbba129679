/** A parsed JSON object of a client or an upstream: any field may be missing, null or of an unexpected type. */
export type JsonObject = Readonly<Record<string, unknown>>

/** Whether a parsed JSON value is an object: neither null nor an array. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const BYTE_ORDER_MARK = 0xfeff

/** Parses JSON text, perhaps behind a byte order mark; undefined if it is not valid. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text)
  } catch {
    return undefined
  }
}

/** The objects in an array; none if the value is no array. */
export function filterObjects(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}

/** The value if it is a whole number that is not negative; null for anything else. */
export function readCount(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null
}

/** The value if it is a string, else `other`. */
export function stringOr<T>(value: unknown, other: T): string | T {
  return typeof value === 'string' ? value : other
}

/** The value if it is a number, else `other`. */
export function numberOr<T>(value: unknown, other: T): number | T {
  return typeof value === 'number' ? value : other
}

/** The value itself if it is an object, else an empty one. */
export function asObject(value: unknown): JsonObject {
  return isObject(value) ? value : {}
}

/** The value itself if it is an array, else an empty one. */
export function asArray(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
