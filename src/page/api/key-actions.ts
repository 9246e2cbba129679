import { findPartFlaw, type KeyOwner } from '../../access/key.js'
import { areModels, parseDuration, parseExpiry } from '../../access/key-limits.js'
import { isObject, type JsonObject } from '../../json/values.js'
import { changeKeyFile, type KeyFileChange } from '../key-change.js'
import { ApiRefusal } from '../page-response.js'
import type { NewKey } from '../shapes.js'
import type { Action, ApiCall } from './endpoint.js'

const USUAL_OVERLAP = '24h'

/** Issues a key. The answer is the only place where it ever stands. */
export const addKey: Action = {
  async act(call) {
    const fields = readFields(call, ['env', 'team', 'user', 'expires', 'models'])
    const owner = readOwner(fields)
    const { models } = fields
    if (models !== undefined && models !== null && !areModels(models))
      throw refuseField('models', 'must be names of models, with * for anything: at most 100, without commas')
    const expiresAt = readExpiry(fields.expires, call.now)
    const limits = {
      ...(expiresAt === undefined ? {} : { expiresAt }),
      ...(models === undefined || models === null ? {} : { models: models as string[] }),
    }
    return await change(call, { op: 'add', owner, limits })
  },
}

/** Replaces a key. Both are valid for the overlap. */
export const rotateKey: Action = {
  async act(call) {
    const { overlap = USUAL_OVERLAP } = readFields(call, ['overlap'])
    const overlapMs = typeof overlap === 'string' ? parseDuration(overlap) : null
    if (overlapMs === null) throw refuseField('overlap', 'must be like 24h, 7d or 0h')
    return await change(call, { op: 'rotate', id: readId(call), overlapMs })
  },
}

export const revokeKey: Action = {
  async act(call) {
    readFields(call, [])
    await change(call, { op: 'revoke', id: readId(call) })
    return null
  },
}

/** What the log says of a change. */
const DONE: Readonly<Record<KeyFileChange['op'], string>> = {
  add: 'has issued',
  rotate: 'has issued, in place of another,',
  revoke: 'has revoked',
}

async function change(call: ApiCall, what: KeyFileChange): Promise<NewKey> {
  const { source, session, address, log } = call
  if (source.keys === null) throw new ApiRefusal(409, 'no_key_file', 'this relay has no key file')
  const page = `${session.name}${address === null ? '' : ` from ${address}`}`
  const { keys } = source
  const hasKeys = keys.list().length > 0
  const { id, key, problem } = await changeKeyFile({ file: keys.file, page, hasKeys, ...what })
  log.info(
    { key: id, session: session.name, client_address: address },
    `page: ${DONE[what.op]} the key ${id}`,
  )
  if (problem !== null) log.warn({}, `page: ${problem}`)
  keys.reload()
  return { id, key }
}

function readFields({ body, parameters }: ApiCall, names: readonly string[]): JsonObject {
  parameters.end()
  if (!isObject(body)) throw new ApiRefusal(400, 'bad_order', 'the body must be a JSON object')
  for (const name of Object.keys(body))
    if (!names.includes(name)) throw refuseField(name.slice(0, 40), 'is not known here')
  return body
}

function readOwner(fields: JsonObject): KeyOwner {
  const read = (part: keyof KeyOwner): string => {
    const value = fields[part]
    const flaw = typeof value === 'string' ? findPartFlaw(value) : `is missing; it ${findPartFlaw('')}`
    if (flaw !== null) throw refuseField(part, flaw)
    return String(value)
  }
  return { env: read('env'), team: read('team'), user: read('user') }
}

/** @returns undefined if nothing is said of it; null: never */
function readExpiry(value: unknown, now: number): string | null | undefined {
  if (value === undefined || value === '') return undefined
  if (value === null || value === 'never') return null
  const at = typeof value === 'string' ? parseExpiry(value, now) : null
  if (at === null) throw refuseField('expires', 'must be like 12h, 30d, 4w, 2026-12-31 or never')
  if (at <= now) throw refuseField('expires', 'must be in the future')
  return new Date(at).toISOString()
}

/** A whole id: a beginning that fits today may fit another key tomorrow. */
function readId({ id }: ApiCall): string {
  if (/^k_[0-9a-f]{10}$/.test(id)) return id
  throw new ApiRefusal(404, 'unknown_key', 'there is no key with this id')
}

function refuseField(name: string, what: string): ApiRefusal {
  return new ApiRefusal(400, 'bad_order', `${name}: ${what}`)
}
