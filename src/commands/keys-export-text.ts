import type { DirectList, LeftOutKey, LeftOutReason } from '../direct/direct-list.js'
import { type PlainKeys, selectPlainKeys } from '../direct/plain-keys.js'

/** Names of reasons, in the order in which they are counted. */
const REASONS: Readonly<Record<LeftOutReason, string>> = {
  budget: 'budget',
  models: 'limited to models',
  addresses: 'limited to addresses',
  routes: 'routes of their team',
  unreadable: 'limits that cannot be read',
  expired: 'expired',
  revoked: 'revoked',
}

/** Most keys that are named without being asked for. */
const MOST_NAMED = 20

/** One line: how many keys are in the list, and how many are left out for which reason. */
export function describeList({ upstream, keys, leftOut }: DirectList): string {
  const counts = new Map<LeftOutReason, number>()
  for (const { reason } of leftOut) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  const parts = (Object.keys(REASONS) as LeftOutReason[]).flatMap((reason) => {
    const count = counts.get(reason)
    return count === undefined ? [] : [`${count} ${REASONS[reason]}`]
  })
  const out = parts.length === 0 ? '' : `; left out: ${parts.join(', ')}`
  return `${keys.length === 1 ? '1 key' : `${keys.length} keys`} may go direct to ${upstream}${out}`
}

/**
 * What there is to know of the file of keys; null if there is nothing.
 * @param list before the keys without a text are left out
 */
export function describePlainKeys(list: DirectList, texts: PlainKeys): string | null {
  const { byHash, flawed } = texts
  const used = selectPlainKeys(list, texts).length
  const parts: string[] = []
  if (flawed.length > 0)
    parts.push(`no key in ${flawed.length === 1 ? 'line' : 'lines'} ${listLines(flawed)}`)
  if (byHash.size > used) parts.push(`${byHash.size - used} of its keys may not go direct`)
  if (list.keys.length > used)
    parts.push(
      `${list.keys.length - used} of the list ${list.keys.length - used === 1 ? 'is' : 'are'} not in it`,
    )
  return parts.length === 0 ? null : `--keys: ${parts.join('; ')}`
}

function listLines(lines: readonly number[]): string {
  const more = lines.length - MOST_NAMED
  return lines.slice(0, MOST_NAMED).join(', ') + (more > 0 ? ` and ${more} more` : '')
}

/** A line for each key that is left out, and why; not for those that are invalid. @param all also more than 20 */
export function explainLeftOut({ leftOut }: DirectList, all: boolean): string[] {
  const valid = leftOut.filter(({ reason }) => reason !== 'revoked' && reason !== 'expired')
  const shown = all ? valid : valid.slice(0, MOST_NAMED)
  const lines = shown.map((key) => `  ${key.id} (${key.team}/${key.user}): ${describeFault(key)}`)
  if (valid.length > shown.length) lines.push(`  and ${valid.length - shown.length} more: --explain`)
  return lines
}

/** Why a key may not go direct. */
export function describeFault({ reason, detail }: Pick<LeftOutKey, 'reason' | 'detail'>): string {
  return detail === '' ? REASONS[reason] : `${REASONS[reason]}, ${detail}`
}
