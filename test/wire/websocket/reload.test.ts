import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { withReloader } from '../../support/reloader.js'

const HANDSHAKE =
  'connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'

test('WebSockets are switched off and on again while the relay runs, and an open one stays', () =>
  withReloader(
    () => {},
    async ({ relay, one, change }) => {
      const upstreams = { one: { baseUrl: one.url, warm: false } }
      const ask = async () => {
        const client = await relay.client()
        client.send(
          `GET /v1/responses HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer ${relay.key}\r\n${HANDSHAKE}`,
        )
        await client.sees('\r\n\r\n')
        return client
      }
      const first = await ask()
      assert.match(first.text, /^HTTP\/1\.1 101 /)
      change({ upstreams, websockets: false })
      const second = await ask()
      assert.match(second.text, /^HTTP\/1\.1 426 /)
      change({ upstreams })
      const third = await ask()
      assert.match(third.text, /^HTTP\/1\.1 101 /)
      assert.is(relay.inspect().openCount, 2)
      for (const client of [first, second, third]) client.destroy()
    },
  ))

test.run()
