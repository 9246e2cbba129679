import type { Keyring } from '../../src/access/keyring.js'
import type { TestRelay } from './relay.js'

/** Gives all keys of a relay a list of models, which stays when the key file is read again. @param models null for all */
export function limitKeys(relay: TestRelay, models: readonly string[] | null): void {
  const { keyring } = relay.app as unknown as { readonly keyring: Keyring }
  for (const record of keyring.list())
    Object.defineProperty(record, 'models', { get: () => models, set: () => {}, enumerable: true })
}
