import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { selfSigned } from '../../scripts/certificate.js'
import { CADDY, CaddyFront, HIDES_CUTS } from '../support/fronts/caddy.js'
import { Http2Client, requestByHttp1 } from '../support/fronts/front-client.js'
import { echo, sendByUpgrade } from '../support/fronts/upgrade.js'
import { clear, open, type Place } from '../support/thinwire.js'
import { until } from '../support/until.js'
import { CHUNKED, head, ScriptedUpstream, SSE, whole } from '../support/upstream.js'

if (CADDY === undefined) process.stderr.write('caddy is not there: its recipe is not tested\n')
const withCaddy = CADDY === undefined ? test.skip : test

withCaddy(
  'large heads and the real address pass, leaving is leaving, and a cut shows or not as CADDY.md says',
  async () => {
    const fields = Array.from({ length: 30 }, (_, i) => `x-long-${i}: ${'y'.repeat(2_000)}`)
    const relay = await ScriptedUpstream.start(async (asked) => {
      if (asked.target === '/readyz') return asked.write(whole('200 OK', 'ready'))
      if (asked.target === '/echo') return echo(asked)
      if (asked.target === '/hang') return asked.hang()
      if (asked.target === '/broken') return asked.reset()
      if (asked.target === '/heads') return asked.write(whole('200 OK', '{"id":"heads"}', ...fields))
      await asked.write(head('200 OK', SSE, CHUNKED))
      await asked.chunk('data: 1\n\n')
      asked.destroy()
    })
    const place = {} as Place
    open(place)
    const options = {
      folder: place.folder,
      relayPorts: [relay.port, relay.port],
      providerPort: 1,
      providerCa: '',
    }
    const caddy = await CaddyFront.start({ ...options, providerCa: selfSigned('api.openai.com').cert }, [])
    const client = new Http2Client()
    try {
      await until(() => relay.requests.length > 1, 'health checks')
      const headers = { 'x-forwarded-for': '9.9.9.9', forwarded: 'for=9.9.9.9' }
      const wanted = { ...caddy.target, method: 'GET', headers }
      const heads = await requestByHttp1({ ...wanted, path: '/heads', id: 'heads' })
      assert.is(heads.ended, 'whole', heads.body)
      assert.is(heads.headers['x-long-29'], 'y'.repeat(2_000))
      assert.is(await sendByUpgrade(caddy.target, '/echo'), 'ping')
      const arrived = relay.requests.find(({ target }) => target === '/heads')
      assert.is(arrived?.header('x-forwarded-for'), '127.0.0.1')
      assert.is(arrived?.header('forwarded'), undefined)
      await requestByHttp1({ ...wanted, path: '/hang', patienceMs: 500 })
      await until(
        () => relay.requests.find(({ target }) => target === '/hang')?.closed === true,
        'the request to end',
      )
      const stream = { ...wanted, path: '/cut', stream: true }
      const seen = [await requestByHttp1(stream), await client.request(stream)]
      // Version 2.6 hides a cut, and newer ones show it: CADDY.md says so.
      const expected = HIDES_CUTS ? 'false-whole' : 'cut'
      assert.equal(
        seen.map(({ ended }) => ended),
        [expected, expected],
      )
      const broken = await requestByHttp1({ ...wanted, method: 'POST', path: '/broken', body: '{}' })
      assert.equal([broken.status, broken.code], [502, 'relay_failed'])
      assert.is(relay.requests.filter(({ target }) => target === '/broken').length, 1)
    } finally {
      client.close()
      await caddy.front.kill()
      await relay.close()
      await clear(place)
    }
  },
)

test.run()
