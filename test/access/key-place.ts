import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, type Test } from 'uvu'
import { Keyring, type KeyringOptions } from '../../src/access/keyring.js'

/** A key file in a folder of its own. */
export interface KeyPlace {
  folder: string
  file: string
  /** What keyrings have reported. */
  problems: string[]
  /** They are closed after the test. */
  rings: Keyring[]
}

/** Creates a suite whose tests get a place each, without a key file. */
export function keySuite(name: string): Test<KeyPlace> {
  const test = suite<KeyPlace>(name)
  test.before.each((place) => {
    place.folder = mkdtempSync(join(tmpdir(), 'key-place-'))
    place.file = join(place.folder, 'keys.jsonl')
    place.problems = []
    place.rings = []
  })
  test.after.each((place) => {
    for (const ring of place.rings) ring.close()
    rmSync(place.folder, { recursive: true, force: true })
  })
  return test
}

/** Opens a keyring that looks at its file all the time. */
export function openKeyring(place: KeyPlace, options: KeyringOptions = {}): Keyring {
  const ring = Keyring.open(place.file, {
    pollMs: 5,
    onProblem: (message) => place.problems.push(message),
    ...options,
  })
  place.rings.push(ring)
  return ring
}
