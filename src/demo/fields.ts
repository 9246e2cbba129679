import { createInvalid, createMissing } from './problem.js'

/** A JSON object with unchecked fields. */
export type Fields = Readonly<Record<string, unknown>>

/** Returns the value if it is an object, else an empty object. */
export function asFields(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {}
}

/** Returns the value if it is an array, else an empty array. */
export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** Reads a field that must be an array with at least one item. @throws Problem */
export function requireList(body: Fields, name: string): readonly unknown[] {
  const value = body[name]
  if (value === undefined || value === null) throw createMissing(name)
  if (!Array.isArray(value) || value.length === 0)
    throw createInvalid(name, 'an array with at least one item')
  return value
}

/** Reads the model. Every name is accepted: clients check a key with any model. @throws Problem */
export function requireModel(body: Fields): string {
  const model = body.model
  if (model === undefined || model === null) throw createMissing('model')
  if (typeof model !== 'string' || model === '') throw createInvalid('model', 'the name of a model')
  return model
}

/** The demo returns one choice. @throws Problem if the request wants more */
export function refuseChoices(body: Fields): void {
  const n = body.n
  if (n !== undefined && n !== null && n !== 1) {
    throw createInvalid('n', '1: the demo upstream returns one choice for each request')
  }
}

/** Reads the first of the named fields that is set: a number of tokens. @returns Infinity if none is set */
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

/** Reads stop sequences: a string or a list. */
export function readStops(value: unknown): string[] {
  const stops = typeof value === 'string' ? [value] : asList(value)
  return stops.filter((stop) => typeof stop === 'string' && stop !== '') as string[]
}
