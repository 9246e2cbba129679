import { KeyFileWatch } from '../access/key-file-watch.js'
import { Keyring } from '../access/keyring.js'
import type { AppOptions } from './app-options.js'
import type { FileLog } from './file-log.js'

/**
 * Opens the key file of a config, which is followed from then on.
 * @param onPoll called twice a second: keys may expire in the meantime
 * @returns null if the relay uses none
 * @throws {KeyringError} if it cannot be read
 */
export function openKeyring(
  { config, keyPollMs }: Pick<AppOptions, 'config' | 'keyPollMs'>,
  log: Pick<FileLog, 'warn' | 'error'>,
  onReload: (count: number) => void,
  onPoll: () => void,
): Keyring | null {
  if (config.keys.mode !== 'keys') return null
  const { file } = config.keys
  const onProblem = (message: string): void => log.warn({}, message)
  return Keyring.open(file, {
    ...(keyPollMs === undefined ? {} : { pollMs: keyPollMs }),
    onProblem,
    onFault: (message) => log.error({}, message),
    onReload,
    onPoll,
    watch: new KeyFileWatch(file, onProblem),
  })
}
