import type { AuditEntry } from '../access/audit.js'
import { findKeyFault, type KeyLimits } from '../access/key-limits.js'
import type { StoredKey } from '../access/key-lines.js'
import { describeKeyRules } from './limit-words.js'
import { wrapLine } from './wrap-line.js'

const COLUMNS = 80
const GAP = '  '
/** `revoked` */
const STATUS_COLUMNS = 7
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** A key that expires within this time is named beforehand. */
export const SOON_MS = 7 * DAY_MS

/** One JSON object a line, with everything that is known of each key. */
export function formatKeyLines(records: readonly StoredKey[]): string {
  let text = ''
  for (const record of records) {
    const { id, env, team, user, issuedAt, revokedAt, expiresAt, replaces, rotatedTo } = record
    const { models, addresses, ruleEntries } = record
    const fields = {
      id,
      env,
      team,
      user,
      issued_at: issuedAt,
      revoked_at: revokedAt,
      expires_at: expiresAt,
      models,
      addresses,
      limits: ruleEntries,
      replaces,
      rotated_to: rotatedTo,
    }
    text += `${JSON.stringify(fields)}\n`
  }
  return text
}

/**
 * Formats keys as a table of at most 80 columns. The column of expiries is there only if a key expires.
 * @param now epoch milliseconds
 */
export function formatKeyTable(records: readonly StoredKey[], now: number): string {
  const hasExpiry = records.some(({ expiresAt }) => expiresAt !== null)
  const rows = [['ID', 'ENV', 'TEAM', 'USER', 'ISSUED', ...(hasExpiry ? ['EXPIRES'] : []), 'STATUS']]
  for (const record of records) {
    const { id, env, team, user, issuedAt, expiresAt } = record
    const expiry = hasExpiry ? [formatExpiry(expiresAt, now)] : []
    rows.push([id, env, team, user, issuedAt.slice(0, 10), ...expiry, nameStatus(record, now)])
  }
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  widths[widths.length - 1] = STATUS_COLUMNS
  // Env, team and user share what the other columns leave.
  const taken = widths.reduce((sum, width, column) => sum + (column >= 1 && column <= 3 ? 0 : width), 0)
  const room = COLUMNS - taken - (widths.length - 1) * GAP.length
  widths.splice(1, 3, ...shrink(widths.slice(1, 4), room))
  let text = ''
  for (const row of rows) {
    const cells = row.map((cell, column) => fitCell(cell, widths[column] ?? 0))
    text += `${cells.join(GAP).trimEnd()}\n`
  }
  return text
}

/** Whether a key that is valid expires within a week. */
export function expiresSoon(record: StoredKey, now: number): boolean {
  const { expiresAt } = record
  return expiresAt !== null && findKeyFault(record, now) === null && Date.parse(expiresAt) - now <= SOON_MS
}

/** A day, or how long it is until then if that is less than a week. */
function formatExpiry(expiresAt: string | null, now: number): string {
  if (expiresAt === null) return '-'
  const left = Date.parse(expiresAt) - now
  if (left <= 0 || left > SOON_MS) return expiresAt.slice(0, 10)
  return left < DAY_MS ? `in ${Math.ceil(left / HOUR_MS)} h` : `in ${Math.floor(left / DAY_MS)} days`
}

function nameStatus(record: StoredKey, now: number): string {
  const fault = findKeyFault(record, now)
  if (fault !== null) return fault === 'revoked_api_key' ? 'revoked' : 'expired'
  if (record.rotatedTo !== null) return 'rotated'
  const { models, addresses, limits } = record
  return models === null && addresses === null && limits === null ? 'active' : 'limited'
}

/** One line for each limit that is named; those of rules are of at most 78 columns. */
export function describeLimits(limits: Partial<KeyLimits>): string[] {
  const { expiresAt, models, addresses, ruleEntries } = limits
  const lines: string[] = []
  if (expiresAt !== undefined)
    lines.push(`expires    ${expiresAt === null ? 'never' : formatInstant(expiresAt)}`)
  if (models !== undefined) lines.push(`models     ${models?.join(', ') ?? 'any'}`)
  if (addresses !== undefined) lines.push(`addresses  ${addresses?.join(', ') ?? 'any'}`)
  if (ruleEntries !== undefined) {
    const rules = ruleEntries === null ? ['none'] : describeKeyRules(ruleEntries)
    for (const [i, rule] of rules.entries())
      lines.push(
        ...wrapLine(i === 0 ? 'limits     ' : '           ', rule, COLUMNS - 2)
          .trimEnd()
          .split('\n'),
      )
  }
  return lines
}

/** `2026-01-31 12:00 UTC` */
export function formatInstant(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`
}

/** Two lines or more for each change: what was done by whom, and each value before and after. */
export function formatAudit(entries: readonly AuditEntry[]): string {
  let text = ''
  for (const { ts, op, id, by, sudo, page, old, new: current } of entries) {
    // A relay that somebody has started by sudo is theirs; the change is of who looked at its page.
    const who = page !== null ? `page ${page}` : sudo === null ? by : `${by} (sudo of ${sudo})`
    text += fitLine(`${ts.slice(0, 19).replace('T', ' ')}  ${op.padEnd(7)}  ${id}  by ${who}`)
    for (const [name, value] of Object.entries(current)) {
      const before = old !== null && name in old ? `${formatValue(old[name])} -> ` : ''
      if (before === '' && value === null) continue
      if (name === 'limits') text += formatRuleChange(old?.limits, value)
      else text += fitLine(`    ${name.padEnd(10)} ${before}${formatValue(value)}`)
    }
  }
  return text
}

export function formatAuditLines(entries: readonly AuditEntry[]): string {
  return entries.map((entry) => `${JSON.stringify(entry)}\n`).join('')
}

/** The rules before a change, and after it. */
function formatRuleChange(old: unknown, current: unknown): string {
  const before = Array.isArray(old) ? describeKeyRules(old) : []
  const after = Array.isArray(current) ? describeKeyRules(current) : []
  const lines = [...before.map((rule) => `- ${rule}`), ...after.map((rule) => `+ ${rule}`)]
  return lines.map((line, i) => wrapLine(i === 0 ? '    limits     ' : ' '.repeat(15), line)).join('')
}

function formatValue(value: unknown): string {
  if (value === null) return '-'
  return Array.isArray(value) ? value.join(', ') : String(value)
}

/** The file may have been changed by hand: nothing in it may control the terminal. */
function fitLine(line: string): string {
  const safe = line.replace(/[^\x20-\x7e]/g, '?')
  return `${fitCell(safe, COLUMNS).trimEnd()}\n`
}

/** Takes columns from the widest one by one until all fit, so that short names stay whole as long as possible. */
function shrink(widths: readonly number[], room: number): number[] {
  const shrunk = [...widths]
  for (let excess = shrunk.reduce((sum, width) => sum + width, 0) - room; excess > 0; excess--) {
    const widest = Math.max(...shrunk)
    shrunk[shrunk.lastIndexOf(widest)] = widest - 1
  }
  return shrunk
}

function fitCell(cell: string, width: number): string {
  return cell.length > width ? `${cell.slice(0, width - 1)}…` : cell.padEnd(width)
}
