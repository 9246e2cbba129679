import type { StoredKey } from '../../access/key-lines.js'
import { Pace } from '../../rollups/pace.js'
import type { KeyList, KeyRow } from '../shapes.js'
import type { View } from './endpoint.js'
import { listRows, toIso, toUsd } from './table-columns.js'

/** All keys, or the own one. */
export const keysView: View<KeyList> = {
  async read({ source, parameters }) {
    parameters.end()
    const { keys, sums } = source
    if (keys === null) return { keys: [] }
    const months = await sums.keyMonths()
    const rows: KeyRow[] = []
    const pace = await Pace.begin()
    // There may be thousands.
    for (const key of keys.list()) {
      rows.push(toRow(key, months.get(key.id), sums.lastSeen(key.id)))
      if (pace.isTimeUp) await pace.rest()
    }
    return { keys: rows.reverse() }
  },
  toTable({ keys }) {
    return {
      columns: [
        ...['id', 'env', 'team', 'user', 'created_at', 'expires_at', 'revoked_at', 'models', 'addresses'],
        ...['rules', 'last_at', 'month_usd', 'month_requests'],
      ],
      rows: listRows(keys, (key) => [
        ...[key.id, key.env, key.team, key.user],
        ...[toIso(key.createdAt), toIso(key.expiresAt), toIso(key.revokedAt)],
        ...[key.models?.join(' ') ?? null, key.addresses?.join(' ') ?? null],
        ...[key.rules, toIso(key.lastAt), toUsd(key.monthNano), key.monthRequests],
      ]),
    }
  },
}

function toRow(
  { id, env, team, user, issuedAt, expiresAt, revokedAt, models, addresses, limits }: StoredKey,
  month: Pick<KeyRow, 'monthNano' | 'monthRequests'> | undefined,
  lastAt: number | null,
): KeyRow {
  return {
    id,
    env,
    team,
    user,
    createdAt: toMs(issuedAt),
    expiresAt: toMs(expiresAt),
    revokedAt: toMs(revokedAt),
    models,
    addresses,
    rules: limits?.length ?? 0,
    lastAt,
    monthNano: month?.monthNano ?? 0,
    monthRequests: month?.monthRequests ?? 0,
  }
}

function toMs(iso: string | null): number | null {
  const ms = iso === null ? Number.NaN : Date.parse(iso)
  return Number.isNaN(ms) ? null : ms
}
