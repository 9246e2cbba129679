import type { LimitRule } from '../config/limit-rules.js'
import { isObject } from '../json/values.js'
import { deriveKeyId, findPartFlaw } from './key.js'
import { areAddresses, areModels } from './key-limits.js'
import { type KeyRuleEntries, refuseAllModels, resolveKeyRules } from './key-rules.js'

/*
 * The lines of the key file: one JSON object each, only ever appended. They hold no keys, only their hashes.
 *
 *   {"v":1,"ts":"2026-01-31T09:00:00.000Z","op":"issued","id":"k_…","hash":"…","env":"prod","team":"a","user":"b"}
 *   {"v":1,"ts":"2026-02-01T09:00:00.000Z","op":"changed","id":"k_…","team":"c"}
 *   {"v":1,"ts":"2026-03-01T09:00:00.000Z","op":"revoked","id":"k_…"}
 *
 * A line with limits, or one that changes them, has `"v":2`. A relay that does not know limits skips it: it does not
 * know such a key, and so refuses it, instead of taking it for one without limits.
 *
 *   {"v":2,"ts":"…","op":"issued","id":"k_…","hash":"…","env":"…","team":"…","user":"…","models":["gpt-*"]}
 *   {"v":2,"ts":"…","op":"changed","id":"k_…","addresses":["10.0.0.0/8"]}
 *
 * If a key without limits gets one, a line stands before that change which revokes the key for such a relay alone:
 *
 *   {"v":1,"ts":"…","op":"revoked","id":"k_…","only_v1":true}
 *
 * In the same way, a line with rules (`limits`) has `"v":3`, and `only_v2` revokes the key for a relay that knows other
 * limits, and no rules:
 *
 *   {"v":2,"ts":"…","op":"revoked","id":"k_…","only_v2":true}
 *   {"v":3,"ts":"…","op":"changed","id":"k_…","limits":[{"name":"month","usd":{"month":50}}]}
 */

/** One issued key. The keyring keeps the same object for a key, so that counters can be kept by it. */
export interface KeyRecord {
  readonly id: string
  readonly env: string
  readonly team: string
  readonly user: string
  /** ISO 8601, UTC. */
  readonly issuedAt: string
  /** ISO 8601, UTC; null while the key is valid. */
  revokedAt: string | null
  /** ISO 8601, UTC: the key is valid before it; null if it does not expire. */
  expiresAt: string | null
  /** Patterns of the models that the key may use, `*` matches anything; null for all models. */
  models: readonly string[] | null
  /** Addresses and networks from which the key may be used; null for all. */
  addresses: readonly string[] | null
  /** Rules of this key alone; null for none. The same list as long as they are the same. */
  limits: readonly LimitRule[] | null
}

/** All that the key file says of a key. */
export interface StoredKey extends KeyRecord {
  /** `limits` as they are written; null for none, and empty for what cannot be read. */
  ruleEntries: KeyRuleEntries | null
  /** Id of the key that it has replaced; null for none. */
  replaces: string | null
  /** Id of the key that it was rotated to; null for none. */
  rotatedTo: string | null
}

/** A key while its file is read. */
export type MutableKey = { -readonly [field in keyof StoredKey]: StoredKey[field] }

/** The content of a key file. */
export interface ParsedKeyFile {
  readonly byHash: Map<string, MutableKey>
  readonly byId: Map<string, MutableKey>
  /** The oldest version of a relay that takes a key as valid, by its id: 1 knows no limits, 2 no rules. */
  readonly oldestReader: Map<string, number>
  /** One sentence for each line with a mistake. It never repeats the line, which may be a key put there by mistake. */
  readonly flaws: string[]
  /** The last line, if it is no JSON and has no line end: it is being written, or was torn. Null if there is none. */
  readonly tornLine: number | null
}

/** What is known while a file is read. */
interface Reading {
  readonly parsed: Omit<ParsedKeyFile, 'flaws' | 'tornLine'>
  readonly flaws: Flaw[]
  /**
   * By the id of their keys. Applied at the end: in a file that was joined from two, a revocation may stand before its
   * key and still counts.
   */
  readonly revocations: Map<string, { at: string | null; line: number }>
  /** Changes that stand before their key, likewise: without them it would lack its limits. By the id of the key. */
  readonly early: Map<string, { fields: Record<string, unknown>; line: number }[]>
}

interface Flaw {
  readonly line: number
  readonly text: string
}

/** Parses a key file. Never throws: a line that it does not understand is skipped and named in `flaws`. */
export function parseKeyFile(text: string): ParsedKeyFile {
  const parsed = { byHash: new Map(), byId: new Map(), oldestReader: new Map<string, number>() }
  const reading: Reading = { parsed, flaws: [], revocations: new Map(), early: new Map() }
  let tornLine: number | null = null
  const lines = text.split('\n')
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] ?? ''
    if (line.trim() === '') continue
    let fields: unknown
    try {
      fields = JSON.parse(line)
    } catch {
      // The last line without a line end may still be in the middle of a write. If it is whole it counts already: an
      // editor may write no line end, and no part of a JSON object is a JSON object itself.
      if (i < lines.length - 1) skip(reading, i + 1, 'it is not JSON')
      else tornLine = i + 1
      continue
    }
    const flaw = isObject(fields) ? applyLine(fields, reading, i + 1) : 'it is not a JSON object'
    if (flaw !== null) skip(reading, i + 1, flaw)
  }
  for (const changes of reading.early.values())
    for (const { line } of changes) skip(reading, line, 'it changes a key that was not issued here')
  reading.flaws.sort((one, other) => one.line - other.line)
  for (const [id, { at, line }] of reading.revocations) {
    const entry = parsed.byId.get(id)
    if (entry !== undefined) entry.revokedAt = at ?? entry.issuedAt
    else skip(reading, line, 'it revokes a key that was not issued here')
  }
  return { ...parsed, flaws: reading.flaws.map(({ text }) => text), tornLine }
}

function skip({ flaws }: Reading, line: number, why: string): void {
  flaws.push({ line, text: `line ${line} was skipped: ${why}` })
}

function applyLine(fields: Record<string, unknown>, reading: Reading, line: number): string | null {
  const { parsed, revocations, early } = reading
  const { v, ts, op, id } = fields
  if (v !== 1 && v !== 2 && v !== 3) return 'its "v" is not 1, 2 or 3; it may come from a newer version'
  if (typeof id !== 'string') return 'it has no "id"'
  const at = formatInstant(ts)
  if (op === 'revoked') {
    if (isForOlder(fields)) {
      parsed.oldestReader.set(id, Math.max(parsed.oldestReader.get(id) ?? 1, v + 1))
      return null
    }
    // A revocation with a broken date revokes all the same: that is the safe side.
    if (!revocations.has(id)) revocations.set(id, { at, line })
    return null
  }
  if (op === 'changed') {
    const entry = parsed.byId.get(id)
    if (entry !== undefined) applyChange(fields, entry, reading, line)
    else if (early.get(id)?.push({ fields, line }) === undefined) early.set(id, [{ fields, line }])
    return null
  }
  if (op !== 'issued') return 'its "op" is not issued, changed or revoked'
  if (at === null) return 'its "ts" is not a date'
  return applyIssue(fields, id, at, reading, line)
}

function applyIssue(
  fields: Record<string, unknown>,
  id: string,
  issuedAt: string,
  reading: Reading,
  line: number,
): string | null {
  const { parsed, early } = reading
  const { v, hash, env, team, user } = fields
  if (typeof hash !== 'string' || !/^[0-9a-f]{64}$/.test(hash)) return 'its "hash" is not a SHA-256 in hex'
  if (id !== deriveKeyId(hash)) return 'its "id" does not belong to its "hash"'
  if (!isPart(env) || !isPart(team) || !isPart(user))
    return 'its "env", "team" or "user" has characters that a key cannot have'
  if (parsed.byHash.has(hash)) return null
  if (parsed.byId.has(id)) return 'its "id" is taken by another key'
  const entry: MutableKey = {
    id,
    env,
    team,
    user,
    issuedAt,
    revokedAt: null,
    expiresAt: null,
    models: null,
    addresses: null,
    limits: null,
    ruleEntries: null,
    replaces: null,
    rotatedTo: null,
  }
  applyChange(fields, entry, reading, line)
  for (const change of early.get(id) ?? []) applyChange(change.fields, entry, reading, change.line)
  early.delete(id)
  parsed.byHash.set(hash, entry)
  parsed.byId.set(id, entry)
  parsed.oldestReader.set(id, Math.max(parsed.oldestReader.get(id) ?? 1, Number(v)))
  return null
}

/** Whether a line revokes a key for relays of its version alone, and of earlier ones. */
export function isForOlder({ v, op, only_v1: onlyV1, only_v2: onlyV2 }: Record<string, unknown>): boolean {
  return op === 'revoked' && ((v === 1 && onlyV1 === true) || (v === 2 && onlyV2 === true))
}

/** Takes over the owner and the limits that a line names. A limit that it does not name stays as it was. */
function applyChange(
  fields: Record<string, unknown>,
  entry: MutableKey,
  { flaws }: Reading,
  line: number,
): void {
  const report = (what: string): void => void flaws.push({ line, text: `line ${line}: its ${what}` })
  const { env, team, user, expires, models, addresses, limits, replaces, rotated_to: rotatedTo } = fields
  if (isPart(env)) entry.env = env
  if (isPart(team)) entry.team = team
  if (isPart(user)) entry.user = user
  if (isId(replaces)) entry.replaces = replaces
  if (isId(rotatedTo)) entry.rotatedTo = rotatedTo
  if (expires !== undefined) {
    // A limit that cannot be read lets nothing through: that is the safe side.
    const at = formatInstant(expires)
    if (expires !== null && at === null) report('"expires" is not a date, so the key counts as expired')
    entry.expiresAt = expires === null ? null : (at ?? LONG_AGO)
  }
  if (models !== undefined) {
    const isKnown = models === null || areModels(models)
    if (!isKnown) report('"models" are not a list of names, so the key may use none')
    entry.models = isKnown ? models : []
  }
  if (addresses !== undefined) {
    const isKnown = addresses === null || areAddresses(addresses)
    if (!isKnown) report('"addresses" are not a list of networks, so the key may be used from none')
    entry.addresses = isKnown ? addresses : []
  }
  if (limits !== undefined) {
    const rules = limits === null ? null : resolveKeyRules(limits, entry.id)
    const isKnown = limits === null || rules !== null
    if (!isKnown) report('"limits" are not rules that this version knows, so the key may use no model')
    entry.limits = isKnown ? rules : refuseAllModels(entry.id)
    entry.ruleEntries = limits === null ? null : isKnown ? (limits as KeyRuleEntries) : []
  }
}

/** In the place of an expiry that cannot be read. */
const LONG_AGO = new Date(0).toISOString()

function isPart(value: unknown): value is string {
  return typeof value === 'string' && findPartFlaw(value) === null
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && /^k_[0-9a-f]{10}$/.test(value)
}

/**
 * Formats the date again: Date.parse accepts odd texts, and these are printed in terminals.
 * @returns null if it is no date
 */
function formatInstant(value: unknown): string | null {
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN
  return Number.isNaN(ms) ? null : new Date(ms).toISOString()
}
