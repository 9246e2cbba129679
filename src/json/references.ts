import { isObject, parseJson } from './values.js'

/** A stored object that a request names. */
export interface Reference {
  readonly field: ReferenceField
  /** Empty if the value is longer than `LONGEST`. */
  readonly id: string
}

/** Top-level fields that name a stored object: with its id, or as an object that has an `id`. */
export type ReferenceField =
  | 'previous_response_id'
  | 'conversation'
  | 'input_file_id'
  | 'training_file'
  | 'file_id'
  | 'assistant_id'

/**
 * Adds a reference to a list. Of a doubled key the first and the last value are kept: an upstream may read either.
 * @param token the JSON text of the value; empty if it is too long
 */
export function addReference(
  references: readonly Reference[],
  field: ReferenceField,
  token: Buffer,
): readonly Reference[] {
  const value = token.length === 0 ? '' : parseJson(token.toString())
  const id = isObject(value) ? value.id : value
  if (typeof id !== 'string') return references
  const last = references.findLastIndex((reference) => reference.field === field)
  const isThird = last !== references.findIndex((reference) => reference.field === field)
  const kept = isThird ? references.filter((_, i) => i !== last) : references
  return [...kept, { field, id }]
}
