import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { RawClient } from '../../support/client.js'
import { auth, type TestRelay } from '../../support/relay.js'
import type { Received } from '../../support/upstream.js'
import { readModels } from './readings.js'
import { createPlain, DOORS, type Door, type Draft, WAYS } from './requests.js'
import { OPEN, RULES, type Scene, SECRET, withRule } from './rules.js'

/** Sends requests one after the other, on connections that are used again as clients do. */
class Sender {
  private readonly relay: TestRelay
  private client: RawClient | null = null

  constructor(relay: TestRelay) {
    this.relay = relay
  }

  async send(method: string, { target, headers, body }: Draft): Promise<number> {
    this.client ??= await this.relay.client()
    const lines = [`${method} ${target} HTTP/1.1`, ...headers, `content-length: ${body.length}`]
    this.client.send(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n${auth(this.relay)}\r\n`), body]))
    await this.client.anything()
    const response = await this.client.response()
    this.client.forget()
    if (response.header('connection') === 'close' || this.client.ending !== null) this.close()
    return response.status
  }

  close(): void {
    this.client?.destroy()
    this.client = null
  }
}

interface Attempt {
  readonly door: Door
  readonly name: string
  readonly draft: Draft
}

/** Each door in each way that it can be tried. */
const ATTEMPTS: readonly Attempt[] = DOORS.flatMap((door) =>
  Object.entries(WAYS).flatMap(([way, write]) => {
    const draft = write(door, OPEN, SECRET)
    return draft === null ? [] : [{ door, name: `${door.name}, ${way}`, draft }]
  }),
)

/** Makes all attempts. @param take gets what the upstream received of each one, and the status of its answer */
async function tryAll(
  { relay, up }: Scene,
  take: (attempt: Attempt, requests: readonly Received[], status: number) => void,
): Promise<void> {
  const sender = new Sender(relay)
  for (const attempt of ATTEMPTS) {
    const count = up.requests.length
    const status = await sender.send(attempt.door.method, attempt.draft)
    take(attempt, up.requests.slice(count), status)
  }
  sender.close()
}

for (const rule of RULES) {
  test(`${rule.name}: the allowed model is reached at each door that the rule opens`, () =>
    withRule(rule, async (scene) => {
      const sender = new Sender(scene.relay)
      for (const door of DOORS.filter(({ name }) => rule.opens.includes(name))) {
        const count = scene.up.requests.length
        assert.is(await sender.send(door.method, createPlain(door, OPEN)), 200, door.name)
        assert.is(scene.up.requests.length, count + 1, door.name)
      }
      sender.close()
    }))

  test(`${rule.name}: nothing forbidden is reached, at any door, in any way`, () =>
    withRule(rule, async (scene) => {
      const reached: string[] = []
      await tryAll(scene, ({ name }, requests, status) => {
        for (const request of requests)
          if (rule.forbids(request)) reached.push(`${name}: ${status} ${request.target}`)
      })
      assert.equal(reached, [])
    }))
}

test('without a rule the same requests do reach the model, so that the count above means something', () =>
  withRule({ settings: { routes: [{ upstream: 'up' }] }, models: null }, async (scene) => {
    const unseen: string[] = []
    await tryAll(scene, ({ name }, requests) => {
      if (requests.length > 0 && !requests.some((request) => readModels(request).has(SECRET)))
        unseen.push(name)
    })
    // Azure's door has its model in the path, and each other copy of it is replaced there.
    assert.equal(
      unseen.filter((each) => !each.startsWith('azure')),
      [],
    )
  }))

test.run()
