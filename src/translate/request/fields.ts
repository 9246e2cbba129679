import { isObject, type JsonObject } from '../../json/values.js'

/** The object itself, or an empty one if the value is none. */
export function asFields(value: unknown): JsonObject {
  return isObject(value) ? value : {}
}

/** The array itself, or an empty one if the value is none. */
export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** An empty one if the value is no text. */
export function asString(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
