import { userInfo } from 'node:os'
import { issueKey } from '../access/keyring.js'
import type { App } from '../app/app.js'

/**
 * Issues a key for the person who starts the relay, if the key file has none yet.
 * @returns the key, which is shown once; null if there are keys, or the relay uses none
 * @throws {KeyringError} if the key file cannot be written
 */
export function issueFirstKey(app: App): string | null {
  const { keyring, config } = app
  if (keyring === null || keyring.size > 0) return null
  const { key } = issueKey(config.keys.file, { env: 'dev', team: 'default', user: readUserName() })
  app.reloadKeys()
  return key
}

/** The user of this machine, in the characters that a key may have. */
function readUserName(): string {
  let name = ''
  try {
    name = userInfo().username
  } catch {
    // A container may run as a number without a name.
  }
  const fit = name
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .slice(0, 32)
  return fit === '' ? 'me' : fit
}
