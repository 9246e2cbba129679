import { findMember, findOnly, parseOutline, readText, WHOLE } from './outline.js'
import type { Located } from './peek.js'

/** Longest session, in bytes: one of the Realtime API has instructions and tools beside its model. */
export const LONGEST_SESSION = 256 * 1024

const SESSION = findOnly({ model: WHOLE })

/**
 * Finds the model of a session (OpenAI, API reference, Realtime, client secrets).
 * @param session its JSON text; nothing is found in an empty one
 * @param start offset of the session in the body
 */
export function findSessionModel(session: Buffer, start: number): Located<string> | null {
  const found = findMember(parseOutline(session, SESSION), 'model')
  const value = readText(session, found)
  if (found === null || value === null) return null
  return { value, start: start + found.start, end: start + found.end }
}
