import { readText, type Value } from '../../json/outline.js'
import type { CallIds } from '../repair/call-ids.js'
import type { ToolNames } from '../repair/tool-names.js'
import type { HistoryEdits } from './history.js'

/** Replaces the id of a call, in the call or in its result. */
export function editCallId(history: HistoryEdits, n: number, value: Value | null, ids: CallIds): void {
  const id = readCallId(history.body, value)
  if (value === null || id === null) return
  const wanted = ids.idFor(id)
  if (wanted !== id) history.of(n).replace(value, JSON.stringify(wanted))
}

/** Replaces the name of a tool that the target does not take. */
export function editToolName(history: HistoryEdits, n: number, value: Value | null, names: ToolNames): void {
  const name = readCallId(history.body, value)
  if (value === null || name === null) return
  const wanted = names.nameFor(name)
  if (wanted !== name) history.of(n).replace(value, JSON.stringify(wanted))
}

/** The id of a call; null if it is missing, no string, or longer than any vendor's. */
export function readCallId(body: Buffer, value: Value | null): string | null {
  return readText(body, value, LONGEST_READ)
}

/** In bytes. */
const LONGEST_READ = 1024 * 1024
