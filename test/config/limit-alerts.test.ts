import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { load, problems } from './load.js'

const HOOK = 'https://hooks.example.com/services/a?b=c'

test('the webhook of alerts is a URL, or a reference to one', () => {
  assert.is(load({}).limitRules.alerts.url, null)
  assert.is(load({ limits: { alerts: { url: HOOK } } }).limitRules.alerts.url, HOOK)
  const alerts = { url: { env: 'HOOK' }, secret: { env: 'SECRET' }, at: [90, 50, 90] }
  assert.equal(load({ limits: { alerts } }, { HOOK, SECRET: 's' }).limitRules.alerts, {
    url: HOOK,
    secret: 's',
    at: [50, 90],
    maxQueued: 1_000,
  })
})

const WRONG: ReadonlyArray<[unknown, Record<string, string>, string]> = [
  [
    { url: 'hooks.example.com' },
    {},
    'limits.alerts.url: must be the URL of a webhook, or a reference to it: {"env": "NAME"}',
  ],
  [
    { url: 'ftp://hooks.example.com' },
    {},
    'limits.alerts.url: must be the URL of a webhook, or a reference to it: {"env": "NAME"}',
  ],
  [{ url: { env: 'HOOK' } }, {}, 'limits.alerts.url: the environment variable HOOK is not set'],
  [{ url: { env: 'HOOK' } }, { HOOK: 'hooks' }, 'limits.alerts.url: is not a URL'],
  [
    { url: { env: 'HOOK' } },
    { HOOK: 'ftp://hooks.example.com' },
    'limits.alerts.url: must begin with https:// or http://',
  ],
  [
    { url: 'https://me:word@hooks.example.com' },
    {},
    'limits.alerts.url: must not hold a user or password; use limits.alerts.secret',
  ],
  [{ at: [0] }, {}, 'limits.alerts.at[0]: must be at least 1'],
  [{ maxQueued: 0 }, {}, 'limits.alerts.maxQueued: must be at least 1'],
]

for (const [alerts, env, problem] of WRONG)
  test(`alerts of ${JSON.stringify(alerts)} are refused with ${JSON.stringify(env)}`, () => {
    assert.equal(problems({ limits: { alerts } }, env), [problem])
  })

test.run()
