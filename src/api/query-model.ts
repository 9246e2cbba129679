import { decodeAscii, decodePercent } from '../lib/percent.js'
import { isAtOrBelow } from './api-of-path.js'

/** What the query of a request says of its model. */
export interface QueryModel {
  /** The first that it names; null if it names none. */
  readonly model: string | null
  /** Servers may read several models in it, or none. */
  readonly isAmbiguous: boolean
  /** It names one by Azure's word for it (`deployment`). */
  readonly hasDeployment: boolean
}

const NONE: QueryModel = { model: null, isAmbiguous: false, hasDeployment: false }

/** No other query has to be taken apart. */
const MAY_NAME = /model|%|deployment/i

/**
 * Finds the model in a query. It is ambiguous unless there is one parameter, written `model=NAME`.
 * @param query with its `?`, or empty
 */
export function readQueryModel(query: string): QueryModel {
  if (query === '' || !MAY_NAME.test(query)) return NONE
  let model: string | null = null
  let count = 0
  let isPlain = true
  let hasDeployment = false
  // Some servers split at a semicolon, too.
  for (const parameter of query.slice(1).split(/[&;?]/)) {
    const equals = parameter.indexOf('=')
    const name = equals === -1 ? parameter : parameter.slice(0, equals)
    const plainName = decodeFully(name)
    if (LIKE_DEPLOYMENT.test(plainName)) hasDeployment = true
    if (!LIKE_MODEL.test(plainName)) continue
    count++
    const value = equals === -1 ? '' : parameter.slice(equals + 1)
    const named = decodePercent(value)
    if (count === 1) model = named
    isPlain &&= name === 'model' && named !== null && !value.includes('+') && !query.includes(`;${parameter}`)
  }
  const isAmbiguous = count > 1 || !isPlain || model === '' || (count > 0 && hasDeployment)
  return { model, isAmbiguous, hasDeployment }
}

/**
 * The model that the query of a Realtime request names. The body of one may be a session description (SDP), which names
 * none.
 * @param query with its `?`, or empty
 */
export function findQueryModel(path: string, query: string): string | null {
  return query !== '' && isAtOrBelow(path, '/realtime') ? readQueryModel(query).model : null
}

/** `model`, in other letters, or as the element of a list. */
const LIKE_MODEL = /^[\s\0]*model[\s\0]*(?:[[.].*)?$/i
const LIKE_DEPLOYMENT = /^[\s\0]*deployment(?:[\s\0_-]*(?:id|name))?[\s\0]*(?:[[.].*)?$/i

/** A name that was encoded, once or more often. */
function decodeFully(name: string): string {
  let plain = name.replaceAll('+', ' ')
  for (let i = 0; i < 4 && plain.includes('%'); i++) {
    const decoded = decodeAscii(plain)
    if (decoded === plain) break
    plain = decoded
  }
  return plain
}
