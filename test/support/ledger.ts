import { appendFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Place } from './thinwire.js'

/** Appends to a file of a test's ledger. */
export function appendText(place: Place, name: string, text: string): void {
  mkdirSync(join(place.folder, 'data'), { recursive: true })
  appendFileSync(join(place.folder, 'data', name), text)
}

/** A record with these fields, as the ledger writes it. */
export function recordOf(fields: Readonly<Record<string, unknown>>): string {
  const record = { v: 1, writer: 'w-1', ts: '2026-01-01T09:00:00.000Z', status: 200, end: 'done', ...fields }
  return `${JSON.stringify(record)}\n`
}
