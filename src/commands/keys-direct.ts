import { Keyring } from '../access/keyring.js'
import { type ConfigSource, loadConfigWithoutSecrets } from '../config/config.js'
import { ConfigError } from '../config/problems.js'
import { buildDirectList, DirectListError } from '../direct/direct-list.js'
import { describeFault } from './keys-export-text.js'

/**
 * Says whether a front may take a key while no relay runs, and why not.
 * @param id of the key
 * @returns null if the config does not say it
 * @throws KeyringError
 */
export function describeDirect(source: ConfigSource, id: string): string | null {
  try {
    const config = loadConfigWithoutSecrets(source)
    const ring = Keyring.open(config.keys.file)
    ring.close()
    const { leftOut } = buildDirectList(ring.entries(), config, Date.now())
    const key = leftOut.find((each) => each.id === id)
    return key === undefined ? 'yes' : `no: ${describeFault(key)}`
  } catch (error) {
    // `config check` and `keys export` say what is wrong with the config.
    if (error instanceof DirectListError || error instanceof ConfigError) return null
    throw error
  }
}
