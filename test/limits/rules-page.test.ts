import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { BoundCounters } from '../../src/lib/limit-counters.js'
import { AlertWebhook } from '../../src/limits/reports/alert-webhook.js'
import { load } from '../config/load.js'
import { ScriptedUpstream, whole } from '../support/upstream.js'

/** What the page for operators says is tried here. */
const PAGE = readFileSync(new URL('../../../src/limits/RULES.md', import.meta.url), 'utf8')

const test = suite('the page about limit rules')

function blockOf(language: string, text: string): string {
  const blocks = [...PAGE.matchAll(/```(\w+)\n([\s\S]*?)```/g)]
  const found = blocks.find(([, name, block]) => name === language && block?.includes(text) === true)
  if (found === undefined) throw new Error(`no block of ${language} with ${text}`)
  return found[2] ?? ''
}

test('its example is a config without a warning', () => {
  const settings = JSON.parse(blockOf('json', '"rules"')) as Record<string, unknown>
  const upstreams = { up: { baseUrl: 'https://api.example.com/v1', apiKey: { env: 'KEY' } } }
  const { limitRules, warnings } = load({ upstreams, ...settings }, { KEY: 'k', HOOK_SECRET: 's' })
  assert.is(limitRules.rules.length, 4)
  assert.equal(warnings, [])
})

test('its code takes a call of the webhook, and refuses one that is changed, old or signed by another', async () => {
  const code = blockOf('js', 'isFromThinwire')
  const { isFromThinwire } = (await import(`data:text/javascript,${encodeURIComponent(code)}`)) as {
    isFromThinwire(header: string | undefined, body: Buffer, secret: string, now?: number): boolean
  }
  const receiver = await ScriptedUpstream.start((request) => request.write(whole('200 OK', '')))
  try {
    const settings = { url: `http://127.0.0.1:${receiver.port}/`, secret: 'word', at: [80], maxQueued: 1 }
    const webhook = new AlertWebhook(settings, { warn: () => {} }, new BoundCounters())
    webhook.add({ id: 'alert_1', name: 'a', body: '{"text":"Zürich"}' })
    webhook.tick(performance.now())
    const call = await receiver.request(0)
    const header = call.header('x-thinwire-signature')
    assert.ok(isFromThinwire(header, call.body, 'word'))
    assert.not.ok(isFromThinwire(header, Buffer.from('{}'), 'word'))
    assert.not.ok(isFromThinwire(header, call.body, 'other'))
    assert.not.ok(isFromThinwire(header, call.body, 'word', Date.now() + 600_000))
    assert.not.ok(isFromThinwire(undefined, call.body, 'word'))
    assert.not.ok(isFromThinwire('t=1,v1=00', call.body, 'word'))
    await webhook.close()
  } finally {
    await receiver.close()
  }
})

test.run()
