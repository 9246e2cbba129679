import { webcrypto } from 'node:crypto'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { LogLine, TestRelay } from '../../support/relay.js'
import { withRelay } from '../../support/scene.js'
import { until } from '../../support/until.js'
import { type Received, type Script, ScriptedUpstream, whole } from '../../support/upstream.js'
import { answers, chat, expectBooks, limitsOf, posting } from './limit-scene.js'

const SECRET = 'UPSTREAM_KEY'

async function withWebhook(script: Script, act: (webhook: ScriptedUpstream, url: string) => Promise<void>) {
  const webhook = await ScriptedUpstream.start(script)
  try {
    await act(webhook, `http://127.0.0.1:${webhook.port}/alerts`)
  } finally {
    await webhook.close()
  }
}

/** Shares that requests cross before the ledger has been read are reported after it. */
function restored({ lines }: TestRelay): Promise<void> {
  return until(
    () => lines.some(({ msg }) => msg === 'what was used of the budgets was read from the ledger'),
    'the budgets to be restored',
  )
}

const taken: Script = (request) => request.write(whole('204 No Content', ''))

async function isSigned({ body, header }: { body: Buffer; header: string }): Promise<boolean> {
  const [, time = '', hex = ''] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(header) ?? []
  const key = await webcrypto.subtle.importKey(
    'raw',
    Buffer.from('sk-upstream-secret'),
    { name: 'HMAC', hash: 'SHA-256' },
    false,
    ['verify'],
  )
  const signed = Buffer.concat([Buffer.from(`${time}.`), body])
  return webcrypto.subtle.verify('HMAC', key, Buffer.from(hex, 'hex'), signed)
}

function readAlert({ body }: Received): Record<string, unknown> {
  return JSON.parse(body.toString()) as Record<string, unknown>
}

test('a share of a budget is in the log, in the record of the request that crossed it, and at the webhook, once', () =>
  withWebhook(taken, (webhook, url) =>
    withRelay(
      answers(300, 100),
      async (scene) => {
        const { relay } = scene
        await restored(relay)
        for (let n = 0; n < 3; n++) await scene.ask(posting(relay, chat()))
        const records = await expectBooks(relay, 3)
        assert.equal(
          records.map(({ limit_reached }) => limit_reached),
          [undefined, 'mine tokens day 80%', 'mine tokens day 100%'],
        )
        await until(() => webhook.requests.length === 2, 'both alerts')
        const alerts = webhook.requests.map(readAlert)
        assert.equal(
          alerts.map(({ rule, owner, unit, span, per, used, limit, share, observe }) => [
            [rule, owner, unit, span, per, observe],
            [used, limit, share],
          ]),
          [
            [
              ['mine', 'team1/user1', 'tokens', 'day', 'user', false],
              [800, 1_000, 80],
            ],
            [
              ['mine', 'team1/user1', 'tokens', 'day', 'user', false],
              [1_200, 1_000, 100],
            ],
          ],
        )
        assert.is(new Set(alerts.map(({ id }) => id)).size, 2)
        for (const request of webhook.requests) {
          const header = request.header('x-thinwire-signature') ?? ''
          assert.ok(await isSigned({ body: request.body, header }), header)
          assert.is(request.header('x-thinwire-alert'), readAlert(request).id)
        }
        const lines = relay.lines.filter(({ share }) => share !== undefined)
        assert.equal(
          lines.map(({ level, rule, owner, used, limit, share }) => [level, rule, owner, used, limit, share]),
          [
            [40, 'mine', 'team1/user1', 800, 1_000, 80],
            [40, 'mine', 'team1/user1', 1_200, 1_000, 100],
          ],
        )
      },
      limitsOf(
        { mine: { per: 'user', tokens: { day: 1_000 } } },
        { alerts: { url, secret: { env: SECRET }, at: [50, 80, 100] } },
      ),
    ),
  ))

test('several shares that one request crosses are one line and one call, with the highest', () =>
  withWebhook(taken, (webhook, url) =>
    withRelay(
      answers(900, 100),
      async (scene) => {
        const { relay } = scene
        await restored(relay)
        await scene.ask(posting(relay, chat()))
        const [record] = await expectBooks(relay, 1)
        assert.is(record?.limit_reached, 'all tokens month 90%')
        const request = await webhook.request(0)
        assert.is(readAlert(request).share, 90)
        assert.is(relay.lines.filter(({ share }) => share !== undefined).length, 1)
        assert.is(webhook.requests.length, 1)
      },
      limitsOf({ all: { tokens: { month: 1_100 } } }, { alerts: { url, at: [50, 80, 90] } }),
    ),
  ))

test('requests are answered while the webhook does not answer, and the relay ends without it', () => {
  let lines: readonly LogLine[] = []
  return withWebhook(
    (request) => request.hang(),
    async (webhook, url) => {
      await withRelay(
        answers(90, 10),
        async (scene) => {
          const { relay } = scene
          await restored(relay)
          assert.is((await scene.ask(posting(relay, chat()))).status, 200)
          await webhook.request(0)
          for (let n = 0; n < 8; n++) assert.is((await scene.ask(posting(relay, chat()))).status, 200)
          await expectBooks(relay, 9)
          lines = relay.lines
        },
        limitsOf(
          { all: { tokens: { day: 1_000 } } },
          { alerts: { url, at: [10, 20, 30, 40, 50, 60, 70, 80, 90] } },
        ),
      )
      assert.is(lines.find(({ count }) => count !== undefined)?.count, 9)
      assert.is(webhook.requests.length, 1)
    },
  )
})

test('a rule that only observes has one line for many refusals, and metrics count them by rule', () =>
  withRelay(
    answers(10, 5),
    async (scene) => {
      const { relay } = scene
      await restored(relay)
      for (let n = 0; n < 5; n++) assert.is((await scene.ask(posting(relay, chat()))).status, 200)
      await expectBooks(relay, 5)
      const lines = relay.lines.filter(({ msg }) => String(msg).includes('only observes'))
      assert.equal(
        lines.map(({ rule, owner, kind, refused }) => [rule, owner, kind, refused]),
        [['few', 'team1/user1', 'requests', 1]],
      )
      relay.app.tick(performance.now() + 60_000)
      assert.is(relay.lines.filter(({ refused }) => refused === 2).length, 1)
      const metrics = await (await fetch(`http://127.0.0.1:${relay.metricsPort}/metrics`)).text()
      assert.match(
        metrics,
        /^thinwire_limit_refusals_total\{rule="few",kind="requests",observed="true"\} 3$/m,
      )
      assert.match(metrics, /^thinwire_limit_used_ratio\{rule="day",unit="tokens",period="day"\} 0\.75$/m)
      assert.match(metrics, /^thinwire_limit_counters 2$/m)
      assert.not.match(metrics, /thinwire_limit.*(?:team1|user1|k_)/)
    },
    {
      ...limitsOf({
        few: { per: 'user', requestsPerMinute: 1, requestBurst: 2, observe: true },
        day: { tokens: { day: 100 } },
      }),
      metrics: { listen: '127.0.0.1:0' },
    },
  ))

test.run()
