import * as assert from 'uvu/assert'
import { revokeKey } from '../../../src/access/key-changes.js'
import { type Place, Thinwire } from '../thinwire.js'
import { wait } from '../until.js'
import { type FrontRequest, requestByHttp1 } from './front-client.js'
import type { RelaySet } from './relay-set.js'

/** Settings under which the keys of one user have a budget. */
export const BUDGETED = {
  direct: { upstream: 'openai' },
  limits: { rules: [{ name: 'budget', match: { user: 'budgeted' }, per: 'key', usd: { day: 1 } }] },
}

/** `thinwire keys export --follow` for a front: it goes on until the test's place is cleared. */
export function followList(place: Place, set: RelaySet, args: readonly string[], reload: string): Thinwire {
  const given = ['--config', set.configFile, '--follow', '--then', reload]
  return new Thinwire(place, ['keys', 'export', ...args, ...given])
}

/** Asks with a key until the status is there. @returns how long that took, in ms */
export async function awaitStatus(wanted: FrontRequest, key: string, status: number): Promise<number> {
  const from = performance.now()
  for (;;) {
    const outcome = await askWith(wanted, key)
    const took = performance.now() - from
    if (outcome === status) return took
    assert.ok(took < 20_000, `no ${status} within 20 s, but ${outcome}`)
    await wait(20)
  }
}

/** Asks with a key. @returns the status */
export async function askWith(wanted: FrontRequest, key: string): Promise<number> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  return (await requestByHttp1({ ...wanted, headers })).status
}

/** Revokes a key of the set. @returns how long it is still taken, in ms */
export async function revokeAndWait(wanted: FrontRequest, set: RelaySet, key: string): Promise<number> {
  revokeKey(set.keyFile, key)
  return awaitStatus(wanted, key, 401)
}
