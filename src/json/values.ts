/** JSON that others wrote: any field may be missing, null or of another type. */
export type JsonObject = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** @returns undefined if it is no JSON */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The objects of a list; none if it is no list. */
export function filterObjects(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}

/** A whole number that is not negative; null for anything else. */
export function readCount(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null
}

export function stringOr<T>(value: unknown, other: T): string | T {
  return typeof value === 'string' ? value : other
}

export function numberOr<T>(value: unknown, other: T): number | T {
  return typeof value === 'number' ? value : other
}
