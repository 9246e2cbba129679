import { writeFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { withProviders } from '../../support/stored-scene.js'

const RESPONSE = { model: 'm', input: 'hi' }

test('of more objects than the bound the oldest are as if they were not known, and are counted', () =>
  withProviders(
    async ({ ask, otherKey, relay }) => {
      const ids: string[] = []
      for (let i = 0; i < 5; i++) ids.push((await ask('POST', '/responses', RESPONSE)).id)
      // An object is learned with its record.
      await relay.records(5)
      const seen = []
      for (const id of ids) seen.push((await ask('GET', `/responses/${id}`, undefined, otherKey)).status)
      assert.equal(seen, [200, 200, 404, 404, 404])
      assert.is(relay.inspect().boundsHit.storedObjects, 2)
      const billed = (await relay.records(10)).filter(({ prompt_tokens: prompt }) => prompt !== null)
      assert.is(billed.length, 5)
    },
    { stored: { objects: 3 } },
  ))

test('an object of an upstream that a reload has taken away is asked for by the route', () =>
  withProviders(
    async ({ ask, relay, second }) => {
      const { id } = await ask('POST', '/responses', RESPONSE)
      const upstreams = { b: { baseUrl: second.url, warm: false } }
      writeFileSync(
        relay.config.file ?? '',
        JSON.stringify({ listen: '127.0.0.1:0', upstreams, routes: [{ targets: [{ upstream: 'b' }] }] }),
      )
      relay.app.reload()
      assert.is((await ask('GET', `/responses/${id}`)).status, 404)
      assert.equal(second.asked, [`GET /responses/${id}`])
    },
    {},
    3_600_000,
  ))

test.run()
