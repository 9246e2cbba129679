import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { listLedgerNames } from '../../src/ledger/files.js'
import { readIdentity } from '../../src/ledger/read/entry.js'
import { recordSchema, type UsageRecord } from '../../src/ledger/schema.js'
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

/** All fields of a record, in their order; and those that stand in every record. */
export const FIELDS = Object.keys(recordSchema.shape) as readonly (keyof UsageRecord)[]
export const REQUIRED_FIELDS = FIELDS.filter((name) => !recordSchema.shape[name].isOptional())

/** What a relay has written to its ledger so far: each record has to be as the schema says. */
export function readLedger(folder: string): Record<string, unknown>[] {
  return linesOf(folder).map(parseRecord)
}

/** As `readLedger`, where a writer was killed: the line that it was writing may be torn, and counts for no reader. */
export function readLedgerAfterKills(folder: string): Record<string, unknown>[] {
  return linesOf(folder).flatMap((line) => {
    const found = readIdentity(line)
    return found === null ? [] : [parseRecord(found.line)]
  })
}

function linesOf(folder: string): string[] {
  if (!existsSync(folder)) return []
  const lines = listLedgerNames(readdirSync(folder)).flatMap(({ name }) =>
    readFileSync(join(folder, name), 'utf8').split('\n'),
  )
  return lines.filter((line) => line !== '')
}

function parseRecord(line: string): Record<string, unknown> {
  const record = JSON.parse(line) as Record<string, unknown>
  const { error } = recordSchema.safeParse(record)
  assert.is(error, undefined, `${error?.message} in ${line}`)
  const names = FIELDS.filter((name) => REQUIRED_FIELDS.includes(name) || Object.hasOwn(record, name))
  assert.equal(Object.keys(record), names)
  return record
}
