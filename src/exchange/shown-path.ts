import { told } from '../observe/log-text.js'
import type { Settled } from './summary.js'

/** The path as documentation writes it, whatever way the client came by; without the query, which may hold a key. */
export function shownPath(s: Settled): string {
  const path = told(s.path)
  if (s.cursor) return `/cursor/v1${path}`
  return s.upstream === null && s.end === 'local' ? path : `/v1${path}`
}
