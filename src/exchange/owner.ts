import { createHash } from 'node:crypto'
import { credentialsIn } from '../access/credentials.js'
import type { RequestFacts } from './request-facts.js'

/**
 * Who sent a request, to keep what is theirs from others: a team, or the bearer of a provider's own key, by its hash.
 * Empty if the request has neither.
 */
export function ownerOf({ team, rawHeaders }: Pick<RequestFacts, 'team' | 'rawHeaders'>): string {
  if (team !== null) return team
  const [credential] = credentialsIn(rawHeaders)
  return credential === undefined ? '' : createHash('sha256').update(credential).digest('base64')
}
