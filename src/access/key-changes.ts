import { ignore } from '../lib/ignore.js'
import { appendAudit, type ChangeOp, type KeyChange } from './audit.js'
import { deriveKeyId, hashKey, inspectKey, type KeyOwner, mintKey } from './key.js'
import { findKeyFault, type KeyLimits, NO_LIMITS } from './key-limits.js'
import { type MutableKey, type ParsedKeyFile, parseKeyFile, type StoredKey } from './key-lines.js'
import { refuseAllModels, resolveKeyRules } from './key-rules.js'
import { appendLines, KeyringError, readIfExists } from './keyfile.js'
import { withLock } from './lock.js'

/** How a key file is changed. */
export interface ChangeOptions {
  /** Epoch milliseconds. */
  readonly now?: () => number
  /** The change is made, and could not be added to the audit. The message is one line. */
  readonly onProblem?: (message: string) => void
  /** The session of the page that makes the change, for the audit; not given: a command makes it. */
  readonly page?: string
}

export interface IssueOptions extends ChangeOptions {
  /** Not named: no limit. */
  readonly limits?: Partial<KeyLimits>
  /**
   * Called with the key before it is in the key file, while no other command changes that file. If this throws, no key
   * is issued, and `issueKey` throws the same.
   * @param isFirst the file has no key yet, and never had one
   */
  readonly keep?: (key: string, isFirst: boolean) => void
}

/** A key, which is shown once, and what is stored of it. */
export interface IssuedKey {
  readonly key: string
  readonly record: StoredKey
}

/**
 * Issues a key and appends its hash to the key file, which is synced before this returns. Nobody can get the key back
 * from the file. A missing file or folder is created, readable by this user only.
 * @throws {KeyFormatError} for a wrong owner, {KeyringError} if the file cannot be used
 */
export function issueKey(file: string, owner: KeyOwner, options: IssueOptions = {}): IssuedKey {
  return change(file, options, (edit) => {
    const { isEmpty } = edit
    const issued = edit.issue(owner, { ...NO_LIMITS, ...options.limits }, null)
    options.keep?.(issued.key, isEmpty)
    return issued
  })
}

/**
 * Changes the limits of a key that is in use. A limit that is not named stays as it is.
 * @param idOrKey its id, the beginning of its id if no other id begins with it, or the key itself
 * @throws {KeyringError} `unknown_key`, `ambiguous_key`, `already_revoked`, `bad_key`, or if the file cannot be used
 */
export function changeKey(
  file: string,
  idOrKey: string,
  limits: Partial<KeyLimits>,
  options: ChangeOptions = {},
): StoredKey {
  return change(file, options, (edit) => {
    const entry = edit.findUnrevoked(idOrKey)
    edit.change(entry, limits, {}, 'changed')
    return entry
  })
}

/**
 * Issues a key with the owner and the limits of another one, which expires after an overlap. If the old key was to
 * expire, the new one lives as long as the old one was to live.
 * @param overlapMs milliseconds that both keys are valid
 * @param expiresAt of the new key; undefined: as above
 * @throws {KeyringError} as `changeKey`; also `expired_key`, and `already_rotated` if the new key is still valid
 */
export function rotateKey(
  file: string,
  idOrKey: string,
  overlapMs: number,
  expiresAt?: string | null,
  options: ChangeOptions = {},
): IssuedKey & { readonly old: StoredKey } {
  return change(file, options, (edit) => {
    const old = edit.findUnrevoked(idOrKey)
    edit.checkRotation(old)
    const { now } = edit
    const lifetime = old.expiresAt === null ? null : Date.parse(old.expiresAt) - Date.parse(old.issuedAt)
    const usual = lifetime === null ? null : toIso(now + lifetime)
    const limits = { ...old, expiresAt: expiresAt === undefined ? usual : expiresAt }
    const issued = edit.issue(old, limits, old.id)
    const end = Math.min(
      now + overlapMs,
      old.expiresAt === null ? Number.POSITIVE_INFINITY : Date.parse(old.expiresAt),
    )
    edit.change(old, { expiresAt: toIso(end) }, { rotated_to: issued.record.id }, 'rotated')
    old.rotatedTo = issued.record.id
    return { ...issued, old }
  })
}

/**
 * Revokes a key. @param idOrKey see `changeKey`
 * @throws {KeyringError} `unknown_key`, `ambiguous_key`, `already_revoked`, `bad_key`, or if the file cannot be used
 */
export function revokeKey(file: string, idOrKey: string, options: ChangeOptions = {}): StoredKey {
  return change(file, options, (edit) => {
    const entry = edit.findUnrevoked(idOrKey)
    edit.revoke(entry)
    return entry
  })
}

/**
 * Finds a key, also a revoked one. Nothing is changed. @param idOrKey see `changeKey`
 * @throws {KeyringError} `unknown_key`, `ambiguous_key`, `bad_key`, or if the file cannot be read
 */
export function findKey(file: string, idOrKey: string): StoredKey {
  return findEntry(parseKeyFile(readIfExists(file)?.text ?? ''), file, idOrKey)
}

/** Makes one change: nothing is written if `act` throws, and everything in one write if it does not. */
function change<T>(file: string, { now, onProblem, page }: ChangeOptions, act: (edit: Edit) => T): T {
  return withLock(file, () => {
    const edit = new Edit(file, parseKeyFile(readIfExists(file)?.text ?? ''), (now ?? Date.now)())
    const result = act(edit)
    appendLines(file, edit.lines)
    try {
      appendAudit(file, edit.changes, page)
    } catch (error) {
      // The key file counts: a key has to be revocable although the audit cannot be written.
      const why = error instanceof Error ? error.message : String(error)
      ;(onProblem ?? ignore)(`the change is made, but it is not in the audit: ${why}`)
    }
    return result
  })
}

/** The lines of one change. */
class Edit {
  readonly lines: string[] = []
  readonly changes: KeyChange[] = []
  readonly now: number
  private readonly file: string
  private readonly ts: string
  private readonly parsed: ParsedKeyFile

  /** @param now epoch milliseconds */
  constructor(file: string, parsed: ParsedKeyFile, now: number) {
    this.file = file
    this.parsed = parsed
    this.now = now
    this.ts = toIso(now)
  }

  /** Whether no key was ever issued. */
  get isEmpty(): boolean {
    return this.parsed.byId.size === 0
  }

  issue({ env, team, user }: KeyOwner, limits: KeyLimits, replaces: string | null): IssuedKey {
    const owner = { env, team, user }
    let key = mintKey(owner)
    // An id is 40 bits of the hash. If two keys had the same id, neither could be revoked by it.
    while (this.parsed.byId.has(deriveKeyId(hashKey(key)))) key = mintKey(owner)
    const hash = hashKey(key)
    const id = deriveKeyId(hash)
    const { expiresAt, models, addresses, ruleEntries } = limits
    const given: Record<string, unknown> = {}
    for (const [field, name] of LIMITS) if (limits[field] !== null) given[name] = limits[field]
    const link = replaces === null ? {} : { replaces }
    // A relay of version 1 knows `replaces` as little, but may take such a key for a usual one.
    const v = ruleEntries !== null ? 3 : Object.keys(given).length === 0 ? 1 : 2
    this.add('issued', id, { v, ts: this.ts, op: 'issued', id, hash, ...owner, ...given, ...link }, null, {
      ...owner,
      expires: expiresAt,
      models,
      addresses,
      limits: ruleEntries,
      ...link,
    })
    const { ts: issuedAt } = this
    const record = {
      id,
      ...owner,
      issuedAt,
      revokedAt: null,
      expiresAt,
      models,
      addresses,
      limits: rulesOf(ruleEntries, id),
      ruleEntries,
      replaces,
      rotatedTo: null,
    }
    return { key, record }
  }

  /** @param more fields of the line that are no limits */
  change(entry: MutableKey, limits: Partial<KeyLimits>, more: Record<string, string>, op: ChangeOp): void {
    const old: Record<string, unknown> = {}
    const next: Record<string, unknown> = {}
    for (const [field, name] of LIMITS) {
      if (limits[field] === undefined) continue
      old[name] = entry[field]
      next[name] = limits[field]
    }
    const { id } = entry
    const { ts } = this
    const v = (limits.ruleEntries ?? null) === null ? 2 : 3
    this.closeToOlder(id, v)
    this.add(op, id, { v, ts, op: 'changed', id, ...next, ...more }, old, { ...next, ...more })
    Object.assign(entry, limits)
    entry.limits = rulesOf(entry.ruleEntries, id)
  }

  /** Revokes a key for relays of earlier versions alone: they would take it without the limits that it is to get. */
  private closeToOlder(id: string, version: number): void {
    const { ts } = this
    const { oldestReader } = this.parsed
    for (let v = oldestReader.get(id) ?? version; v < version; v++)
      this.lines.push(JSON.stringify({ v, ts, op: 'revoked', id, [`only_v${v}`]: true }))
    oldestReader.set(id, Math.max(oldestReader.get(id) ?? version, version))
  }

  revoke(entry: MutableKey): void {
    const { ts } = this
    const { id } = entry
    this.add('revoked', id, { v: 1, ts, op: 'revoked', id }, { revoked: null }, { revoked: ts })
    entry.revokedAt = ts
  }

  findUnrevoked(idOrKey: string): MutableKey {
    const entry = findEntry(this.parsed, this.file, idOrKey)
    if (entry.revokedAt === null) return entry
    throw new KeyringError('already_revoked', `${entry.id} is revoked already, since ${entry.revokedAt}`)
  }

  /** @throws {KeyringError} if the key cannot be rotated */
  checkRotation(entry: MutableKey): void {
    if (findKeyFault(entry, this.now) !== null)
      throw new KeyringError(
        'expired_key',
        `${entry.id} has expired, on ${entry.expiresAt}; issue another key`,
      )
    const next = entry.rotatedTo === null ? undefined : this.parsed.byId.get(entry.rotatedTo)
    if (next !== undefined && findKeyFault(next, this.now) === null)
      throw new KeyringError(
        'already_rotated',
        `${entry.id} is rotated to ${next.id} already; rotate that one, or revoke it first`,
      )
  }

  private add(
    op: ChangeOp,
    id: string,
    fields: Record<string, unknown>,
    old: KeyChange['old'],
    current: KeyChange['new'],
  ): void {
    const line = JSON.stringify(fields)
    this.lines.push(line)
    this.changes.push({ ts: this.ts, op, id, old, new: current, line })
  }
}

/** The fields of a record, and their names in the files. */
const LIMITS = [
  ['expiresAt', 'expires'],
  ['models', 'models'],
  ['addresses', 'addresses'],
  ['ruleEntries', 'limits'],
] as const

function rulesOf(entries: StoredKey['ruleEntries'], id: string): StoredKey['limits'] {
  return entries === null ? null : (resolveKeyRules(entries, id) ?? refuseAllModels(id))
}

function toIso(ms: number): string {
  return new Date(ms).toISOString()
}

/** No message repeats the argument unless it looks like an id: it may be most of a key. */
function findEntry(parsed: ParsedKeyFile, file: string, idOrKey: string): MutableKey {
  const inspected = inspectKey(idOrKey)
  if (typeof inspected !== 'string') {
    const entry = parsed.byHash.get(hashKey(idOrKey))
    if (entry !== undefined) return entry
    throw new KeyringError('unknown_key', `this key is not in ${file}; see: thinwire keys list`)
  }
  if (inspected === 'mistyped') {
    throw new KeyringError(
      'bad_key',
      'this key is incomplete or mistyped (its length or checksum is wrong); give its id instead',
    )
  }
  if (!/^k_[0-9a-f]{1,10}$/.test(idOrKey)) {
    throw new KeyringError(
      'bad_key',
      'give an id such as k_0123456789 (thinwire keys list shows them) or the whole key',
    )
  }
  const alike = [...parsed.byId.values()].filter((entry) => entry.id.startsWith(idOrKey))
  const [first, ...others] = alike
  if (first === undefined) {
    throw new KeyringError('unknown_key', `no key in ${file} has an id that begins with ${idOrKey}`)
  }
  if (others.length > 0) {
    const ids = alike.slice(0, 5).map((entry) => entry.id)
    throw new KeyringError(
      'ambiguous_key',
      `${alike.length} ids begin with ${idOrKey}: ${ids.join(', ')}${alike.length > 5 ? ', …' : ''}; give more of it`,
    )
  }
  return first
}
