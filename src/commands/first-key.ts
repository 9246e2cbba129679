import { rmSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { KeyringError } from '../access/keyfile.js'
import { issueKey, type Keyring } from '../access/keyring.js'
import type { Config } from '../config/config.js'
import { readErrorCode } from '../lib/error-code.js'
import { ignore } from '../lib/ignore.js'
import { writePrivateFile } from './private-file.js'

/** Where the first key goes: `show` prints it with the banner, `file` writes it where only its owner can read it. */
export type FirstKeyPlace = 'show' | 'file'

/** The key that a start has issued. */
export interface FirstKey {
  readonly key: string
  /** Absolute path of the file that has the key; null if the banner shows it. */
  readonly file: string | null
}

/** What issues the first key: a relay, or the primary of several workers. */
export interface KeyIssuer {
  readonly config: Config
  /** Null where there is no key file. */
  readonly keyring: Pick<Keyring, 'size'> | null
  reloadKeys(): void
}

/** Another relay with the same key file has issued the first key in the meantime. */
class NotFirst extends Error {}

/**
 * Issues a key for the person who starts the relay, if the key file has none yet. With `file` the key is written to
 * `first-key` beside the key file, with mode 0600: what a service or a container prints is kept as a log, and more
 * people read that than may have the key.
 * @returns null if there are keys, or the relay uses none
 * @throws {KeyringError} if the key file or the file for the key cannot be written
 */
export function issueFirstKey(app: KeyIssuer, place: FirstKeyPlace): FirstKey | null {
  const { keyring, config } = app
  if (keyring === null || keyring.size > 0) return null
  const owner = { env: 'dev', team: 'default', user: readUserName() }
  const issue = (keep: (key: string) => void): string =>
    issueKey(config.keys.file, owner, {
      keep(key, isFirst) {
        if (!isFirst) throw new NotFirst()
        keep(key)
      },
    }).key
  const file = place === 'show' ? null : join(dirname(config.keys.file), 'first-key')
  try {
    const key = file === null ? issue(ignore) : issueInto(file, issue)
    return { key, file }
  } catch (error) {
    if (error instanceof NotFirst) return null
    throw error
  } finally {
    app.reloadKeys()
  }
}

/**
 * Writes a key to a file of its own before it is in the key file, so that no key is issued that nobody gets to know,
 * whatever fails.
 */
function issueInto(file: string, issue: (keep: (key: string) => void) => string): string {
  const draft = `${file}.${process.pid}`
  let isWritten = false
  try {
    return issue((key) => {
      writePrivateFile(file, draft, `${key}\n`)
      isWritten = true
    })
  } catch (cause) {
    // The key file did not take the key: it is none.
    if (isWritten) rmSync(file, { force: true })
    if (cause instanceof KeyringError || cause instanceof NotFirst) throw cause
    const code = readErrorCode(cause)
    const advice = code === 'EISDIR' ? 'remove the folder of that name' : 'make its folder writable'
    const message =
      `cannot write the first key to ${file} (${code}): ${advice}, or issue a key ` +
      'by hand: npx thinwire keys add --env dev --team team1 --user me'
    throw new KeyringError('unwritable', message, { cause })
  }
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
