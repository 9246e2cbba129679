import type { KeyRecord } from '../../src/access/key-lines.js'

/** The record of a key without an end and without limits. */
export const KEY: KeyRecord = {
  id: 'k_0123456789',
  env: 'prod',
  team: 'team1',
  user: 'alice',
  issuedAt: '2026-01-01T00:00:00.000Z',
  revokedAt: null,
  expiresAt: null,
  models: null,
  addresses: null,
  limits: null,
}
