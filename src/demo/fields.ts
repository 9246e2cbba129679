import { createInvalid, createMissing } from './problem.js'

/** A JSON object whose fields nobody has checked yet. */
export type Fields = Readonly<Record<string, unknown>>

/** The object itself, or an empty one if the value is not an object. */
export function asFields(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {}
}

export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** Throws a Problem unless the field is an array with at least one item. */
export function requireList(body: Fields, name: string): readonly unknown[] {
  const value = body[name]
  if (value === undefined || value === null) throw createMissing(name)
  if (!Array.isArray(value) || value.length === 0)
    throw createInvalid(name, 'an array with at least one item')
  return value
}

/** Any name will do: clients check a key with whatever model they have. */
export function requireModel(body: Fields): string {
  const model = body.model
  if (model === undefined || model === null) throw createMissing('model')
  if (typeof model !== 'string' || model === '') throw createInvalid('model', 'the name of a model')
  return model
}

/** The demo has one thing to say. */
export function refuseChoices(body: Fields): void {
  const n = body.n
  if (n !== undefined && n !== null && n !== 1) {
    throw createInvalid('n', '1, as the demo upstream gives one choice a request')
  }
}

/** The first of the named fields that is set, in tokens; Infinity if none is. */
export function readLimit(body: Fields, ...names: readonly string[]): number {
  for (const name of names) {
    const value = body[name]
    if (value === undefined || value === null) continue
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 1) {
      throw createInvalid(name, 'a whole number of at least 1')
    }
    return value
  }
  return Number.POSITIVE_INFINITY
}

export function readStops(value: unknown): string[] {
  const stops = typeof value === 'string' ? [value] : asList(value)
  return stops.filter((stop) => typeof stop === 'string' && stop !== '') as string[]
}
