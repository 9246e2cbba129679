import { isObject, type Json } from '../../json/values.js'

/** The object itself, or an empty one if the value is none. */
export function fieldsOf(value: unknown): Json {
  return isObject(value) ? value : {}
}

/** The array itself, or an empty one if the value is none. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** An empty one if the value is no text. */
export function stringOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
