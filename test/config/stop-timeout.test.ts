import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadConfig } from '../../src/config/config.js'
import { ConfigError } from '../../src/config/problems.js'

/** `drainMs` of a relay without a config file. @param stop `THINWIRE_STOP_TIMEOUT_MS` */
function drainMs(stop: string | undefined): number {
  return loadConfig({ env: { THINWIRE_STOP_TIMEOUT_MS: stop }, cwd: '/nowhere' }).timeouts.drainMs
}

for (const [what, stop, expected] of [
  ['without a limit', undefined, 30_000],
  ['with an empty one', '', 30_000],
  ['under docker stop', '10000', 7_500],
  ['in a pod with the default grace period', '30000', 26_000],
  ['under systemd', '90000', 30_000],
  ['where nothing is waited for', '0', 0],
] as const)
  test(`streams may continue for ${expected} ms after SIGTERM ${what}`, () => {
    assert.is(drainMs(stop), expected)
  })

for (const stop of ['10s', '-1', '1e4', 'soon', '10.5'])
  test(`a stop timeout of ${JSON.stringify(stop)} is refused, and the message says what to write`, () => {
    try {
      drainMs(stop)
      assert.unreachable()
    } catch (error) {
      assert.instance(error, ConfigError)
      assert.is(
        (error as Error).message,
        'config: THINWIRE_STOP_TIMEOUT_MS: must be milliseconds, such as 10000 for `docker stop`',
      )
    }
  })

test.run()
