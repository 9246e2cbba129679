import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { changeKey } from '../../../src/access/key-changes.js'
import type { KeyLimits } from '../../../src/access/key-limits.js'
import { issueKey } from '../../../src/access/keyring.js'
import { headerOf } from '../../support/client.js'
import { OK, type Scene, withRelay } from '../../support/scene.js'

const OWNER = { env: 'test', team: 'team1', user: 'user2' }

/** Sends a request with a key. @returns status and error code */
async function ask(scene: Scene, key: string, ...lines: string[]): Promise<[number, string | undefined]> {
  const head = ['host: relay', `authorization: Bearer ${key}`, ...lines].join('\r\n')
  const response = await scene.ask(`GET /v1/x HTTP/1.1\r\n${head}\r\n\r\n`)
  return [response.status, headerOf(response, 'x-thinwire-error')]
}

function issue({ relay }: Scene, limits: Partial<KeyLimits>): { key: string; id: string } {
  const { key, record } = issueKey(relay.keyFile, OWNER, { limits })
  relay.app.reloadKeys()
  return { key, id: record.id }
}

test('a key that has expired is refused with a code of its own, and is valid again when its expiry is moved', () =>
  withRelay(OK, async (scene) => {
    const { key, id } = issue(scene, { expiresAt: new Date(Date.now() - 1_000).toISOString() })
    assert.equal(await ask(scene, key), [401, 'expired_api_key'])
    assert.equal(scene.asked.length, 0)
    changeKey(scene.relay.keyFile, id, { expiresAt: new Date(Date.now() + 3_600_000).toISOString() })
    scene.relay.app.reloadKeys()
    assert.equal(await ask(scene, key), [200, undefined])
    // Beside a valid key, an expired one does not matter.
    assert.equal(await ask(scene, key, `x-api-key: ${scene.relay.key}`), [200, undefined])
  }))

test('a key of other addresses is refused, and the record names the key', () =>
  withRelay(OK, async (scene) => {
    const { key, id } = issue(scene, { addresses: ['10.0.0.0/8', '2001:db8::/32'] })
    assert.equal(await ask(scene, key), [403, 'forbidden_address'])
    // Nobody is a trusted proxy here: the header is anybody's word.
    assert.equal(await ask(scene, key, 'x-forwarded-for: 10.0.0.1'), [403, 'forbidden_address'])
    assert.equal(scene.asked.length, 0)
    changeKey(scene.relay.keyFile, id, { addresses: ['127.0.0.0/8'] })
    scene.relay.app.reloadKeys()
    assert.equal(await ask(scene, key), [200, undefined])
    const records = await scene.relay.records(3)
    assert.equal(
      records.map(({ key: name, client_address, end, error_code }) => [
        name,
        client_address,
        end,
        error_code,
      ]),
      [
        [id, '127.0.0.1', 'refused', 'forbidden_address'],
        [id, '127.0.0.1', 'refused', 'forbidden_address'],
        [id, '127.0.0.1', 'done', null],
      ],
    )
  }))

test('behind a trusted proxy the address is the one that the proxy names', () =>
  withRelay(
    OK,
    async (scene) => {
      const { key } = issue(scene, { addresses: ['10.0.0.0/8', '2001:db8::/32'] })
      const table: [string, number][] = [
        ['10.1.2.3', 200],
        ['11.1.2.3', 403],
        ['11.1.2.3, 10.1.2.3', 200],
        ['10.1.2.3, 11.1.2.3', 403],
        ['::ffff:10.1.2.3', 200],
        ['[2001:db8::7]:443', 200],
        ['2001:db9::7', 403],
        ['nonsense', 403],
      ]
      for (const [address, status] of table)
        assert.is((await ask(scene, key, `x-forwarded-for: ${address}`))[0], status, address)
    },
    { trustedProxies: ['127.0.0.1'] },
  ))

test.run()
