import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { auth } from '../../support/relay.js'
import { readModels } from './readings.js'
import { createPlain, DOORS, type Draft, WAYS } from './requests.js'
import { OPEN, RULES, type Scene, SECRET, withRule } from './rules.js'

async function send({ relay }: Scene, method: string, { target, headers, body }: Draft): Promise<number> {
  const client = await relay.client()
  const lines = [`${method} ${target} HTTP/1.1`, ...headers, `content-length: ${body.length}`]
  client.send(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n${auth(relay)}\r\n`), body]))
  const response = await client.response()
  client.destroy()
  return response.status
}

for (const rule of RULES) {
  test(`${rule.name}: the allowed model is reached at each door that the rule opens`, () =>
    withRule(rule, async (scene) => {
      for (const door of DOORS.filter(({ name }) => rule.opens.includes(name))) {
        const count = scene.up.requests.length
        assert.is(await send(scene, door.method, createPlain(door, OPEN)), 200, door.name)
        assert.is(scene.up.requests.length, count + 1, door.name)
      }
    }))

  test(`${rule.name}: nothing forbidden is reached, at any door, in any way`, () =>
    withRule(rule, async (scene) => {
      const reached: string[] = []
      for (const door of DOORS) {
        for (const [way, write] of Object.entries(WAYS)) {
          const draft = write(door, OPEN, SECRET)
          if (draft === null) continue
          const count = scene.up.requests.length
          const status = await send(scene, door.method, draft)
          for (const request of scene.up.requests.slice(count))
            if (rule.forbids(request)) reached.push(`${door.name}, ${way}: ${status} ${request.target}`)
        }
      }
      assert.equal(reached, [])
    }))
}

test('without a rule the same requests do reach the model, so that the count above means something', () =>
  withRule({ settings: { routes: [{ upstream: 'up' }] }, models: null }, async (scene) => {
    const unseen: string[] = []
    for (const door of DOORS) {
      for (const [way, write] of Object.entries(WAYS)) {
        const draft = write(door, OPEN, SECRET)
        if (draft === null) continue
        const count = scene.up.requests.length
        await send(scene, door.method, draft)
        const requests = scene.up.requests.slice(count)
        if (requests.length > 0 && !requests.some((request) => readModels(request).has(SECRET)))
          unseen.push(`${door.name}, ${way}`)
      }
    }
    // Azure's door has its model in the path, and each other copy of it is replaced there.
    assert.equal(
      unseen.filter((each) => !each.startsWith('azure')),
      [],
    )
  }))

test.run()
