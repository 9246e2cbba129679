import { takeQueryKeys } from '../access/query-key.js'
import type { ErrorCode } from '../api/errors.js'
import { parseRequestTarget } from '../api/request-target.js'
import type { Exchange } from '../exchange/exchange.js'

/** Why a request asks for nothing that can be answered. */
export interface AimRefusal {
  readonly code: ErrorCode
  readonly detail: string
}

/**
 * Reads what a request asks for: its path, its query, and the keys in that.
 * @param keepsKeys the client's own credential is passed on, wherever it stands
 * @returns null if it can be answered
 */
export function aimRequest(exchange: Exchange, keepsKeys: boolean): AimRefusal | null {
  const { req } = exchange
  const target = parseRequestTarget(req.url ?? '/')
  if ('problem' in target) return { code: 'invalid_path', detail: target.problem }
  const found = keepsKeys || target.query === '' ? null : takeQueryKeys(target.path, target.query)
  if (found === null) exchange.setTarget(target)
  else {
    exchange.setTarget({ ...target, query: found.query })
    exchange.queryKeys = found.keys
  }
  return null
}
