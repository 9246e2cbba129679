import { webcrypto } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { LimitRulesConfig } from '../../../src/config/limit-rules.js'
import { BoundCounters } from '../../../src/lib/limit-counters.js'
import { AlertWebhook, type WebhookAlert } from '../../../src/limits/reports/alert-webhook.js'
import { runClock, stopClock } from '../../support/clock.js'
import { gate, until } from '../../support/until.js'
import { type Script, ScriptedUpstream, whole } from '../../support/upstream.js'

interface Context {
  readonly receivers: ScriptedUpstream[]
}

const test = suite<Context>('the webhook of alerts', { receivers: [] })

test.after.each(async ({ receivers }) => {
  runClock()
  for (const receiver of receivers.splice(0)) await receiver.close()
})

const SECRET = 'whsec_0123456789abcdef'

interface Line {
  readonly fields: Readonly<Record<string, unknown>>
  readonly message: string
}

function alert(n: number): WebhookAlert {
  return { id: `alert_${n}`, name: `rule-${n} usd month 80%`, body: JSON.stringify({ n, text: 'Zürich' }) }
}

function openWebhook(settings: Partial<LimitRulesConfig['alerts']>) {
  const lines: Line[] = []
  const log = { warn: (fields: Line['fields'], message: string) => void lines.push({ fields, message }) }
  const bounds = new BoundCounters()
  const whole = { url: null, secret: SECRET, at: [80], maxQueued: 100, ...settings }
  return { lines, bounds, whole, webhook: new AlertWebhook(whole, log, bounds) }
}

/** @param script for each call */
async function start(
  { receivers }: Context,
  script: Script,
  settings: Partial<LimitRulesConfig['alerts']> = {},
) {
  const receiver = await ScriptedUpstream.start(script)
  receivers.push(receiver)
  const passTime = stopClock()
  const opened = openWebhook({ url: `http://127.0.0.1:${receiver.port}/hook?x=1`, ...settings })
  const { webhook } = opened
  /** Moves time on, and ticks. */
  const tick = (ms: number): void => {
    passTime(ms)
    webhook.tick(performance.now())
  }
  const settled = (failures: number): Promise<void> =>
    until(() => opened.lines.length >= failures, `${failures} lines`)
  return { ...opened, receiver, tick, settled }
}

/** As a receiver written by somebody else would do it: with the Web Crypto API. */
async function isAuthentic(header: string, body: Buffer, secret: string): Promise<boolean> {
  const [, time = '', hex = ''] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(header) ?? []
  const encoder = new TextEncoder()
  const key = await webcrypto.subtle.importKey(
    'raw',
    encoder.encode(secret),
    { name: 'HMAC', hash: 'SHA-256' },
    false,
    ['verify'],
  )
  const signed = Buffer.concat([encoder.encode(`${time}.`), body])
  return webcrypto.subtle.verify('HMAC', key, Buffer.from(hex, 'hex'), signed)
}

const answer =
  (status: string): Script =>
  (request) =>
    request.write(whole(status, 'ok'))

test('an alert is a POST of JSON with an id, and a signature that a receiver can check', async (context) => {
  const { webhook, receiver, tick } = await start(context, answer('204 No Content'))
  const before = Math.floor(Date.now() / 1_000)
  webhook.add(alert(1))
  assert.is(receiver.connections, 0)
  tick(0)
  const call = await receiver.request(0)
  await until(() => webhook.counts.sent === 1, 'the answer')
  assert.equal([call.method, call.target], ['POST', '/hook?x=1'])
  assert.is(call.header('content-type'), 'application/json')
  assert.is(call.header('x-thinwire-alert'), 'alert_1')
  assert.is(call.body.toString(), alert(1).body)
  const signature = call.header('x-thinwire-signature') ?? ''
  assert.ok(await isAuthentic(signature, call.body, SECRET), signature)
  assert.not.ok(await isAuthentic(signature, Buffer.from('{}'), SECRET), 'of another body')
  assert.not.ok(await isAuthentic(signature, call.body, 'whsec_other'), 'with another secret')
  const time = Number(/t=(\d+)/.exec(signature)?.[1])
  assert.ok(time >= before && time <= Date.now() / 1_000, `${time}`)
  assert.not.ok(
    await isAuthentic(signature.replace(`t=${time}`, `t=${time + 1}`), call.body, SECRET),
    'with another time',
  )
  assert.equal(webhook.counts, { sent: 1, failed: 0, waiting: 0 })
})

test('without a secret a call has no signature; without a webhook nothing is kept', async (context) => {
  const { webhook, receiver, tick } = await start(context, answer('200 OK'), { secret: null })
  webhook.add(alert(1))
  tick(0)
  assert.is((await receiver.request(0)).header('x-thinwire-signature'), undefined)
  const none = openWebhook({ url: null }).webhook
  none.add(alert(1))
  none.tick(1)
  assert.equal(none.counts, { sent: 0, failed: 0, waiting: 0 })
})

test('an alert that gets 500 and then 200 is sent twice with the same id, after a pause', async (context) => {
  let calls = 0
  const { webhook, receiver, tick, settled, lines } = await start(context, (request) => {
    calls++
    return request.write(whole(calls === 1 ? '500 Internal Server Error' : '200 OK', ''))
  })
  webhook.add(alert(1))
  tick(0)
  await settled(1)
  tick(999)
  assert.is(webhook.counts.sent, 0)
  assert.is(receiver.requests.length, 1)
  tick(1)
  await until(() => webhook.counts.sent === 1, 'the second answer')
  assert.equal(
    receiver.requests.map((request) => request.header('x-thinwire-alert')),
    ['alert_1', 'alert_1'],
  )
  assert.equal(lines, [
    {
      fields: { id: 'alert_1', alert: 'rule-1 usd month 80%', cause: 'status 500' },
      message: 'the webhook of limits.alerts has not taken an alert (status 500): it is tried again',
    },
  ])
})

test('an alert that is never taken is tried six times with growing pauses; then it is the turn of the next', async (context) => {
  const { webhook, receiver, tick, settled } = await start(context, (request) =>
    request.write(whole(request.header('x-thinwire-alert') === 'alert_1' ? '400 Bad Request' : '200 OK', '')),
  )
  webhook.add(alert(1))
  webhook.add(alert(2))
  tick(0)
  await receiver.request(0)
  for (const [n, pause] of [1_000, 5_000, 25_000, 125_000, 300_000].entries()) {
    await until(() => receiver.openSockets === 0, 'the end of the call')
    tick(pause - 1)
    assert.is(receiver.requests.length, n + 1)
    tick(1)
    await receiver.request(n + 1)
  }
  await settled(2)
  tick(0)
  await until(() => webhook.counts.sent === 1, 'the second alert')
  assert.equal(webhook.counts, { sent: 1, failed: 1, waiting: 0 })
  assert.equal(
    receiver.requests.map((request) => request.header('x-thinwire-alert')),
    [...Array.from({ length: 6 }, () => 'alert_1'), 'alert_2'],
  )
})

test('a webhook that never answers is given up after ten seconds, and tried again', async (context) => {
  const { webhook, receiver, tick, settled, lines } = await start(context, (request) =>
    receiver.requests.length === 1 ? request.hang() : request.write(whole('200 OK', '')),
  )
  webhook.add(alert(1))
  tick(0)
  const call = await receiver.request(0)
  tick(9_999)
  assert.not.ok(call.closed)
  tick(1)
  await settled(1)
  await call.ended()
  assert.is(lines[0]?.fields.cause, 'no answer')
  tick(1_000)
  await until(() => webhook.counts.sent === 1, 'the second call')
})

test('a webhook whose head never ends, and one whose body never ends, keep no connection', async (context) => {
  const { webhook, receiver, tick, settled } = await start(context, async (request) => {
    if (receiver.requests.length === 1) await request.write('HTTP/1.1 200 OK\r\nx-slow: ')
    else await request.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n')
    await request.hang()
  })
  webhook.add(alert(1))
  tick(0)
  const slow = await receiver.request(0)
  tick(10_000)
  await settled(1)
  await slow.ended()
  tick(1_000)
  const endless = await receiver.request(1)
  await until(() => webhook.counts.sent === 1, 'the head of the answer')
  await endless.ended()
})

const NOT_TAKEN: ReadonlyArray<[string, Script, string]> = [
  [
    'redirects',
    (request) => request.write(whole('307 Temporary Redirect', '', 'location: /elsewhere')),
    'status 307',
  ],
  ['resets the connection', (request) => request.reset(), 'ECONNRESET'],
  ['closes the connection', (request) => request.end(), 'ECONNRESET'],
  ['answers what is no HTTP', (request) => request.write('hello\r\n\r\n'), 'HPE_INVALID_CONSTANT'],
]

for (const [what, script, cause] of NOT_TAKEN)
  test(`a webhook that ${what} has not taken the alert`, async (context) => {
    const { webhook, receiver, tick, settled, lines } = await start(context, script)
    webhook.add(alert(1))
    tick(0)
    await settled(1)
    assert.is(lines[0]?.fields.cause, cause)
    assert.is(receiver.requests.length, 1)
    assert.equal(webhook.counts, { sent: 0, failed: 0, waiting: 1 })
  })

test('a webhook that nobody listens at is tried again', async (context) => {
  const { webhook, receiver, tick, settled, lines } = await start(context, answer('200 OK'))
  await receiver.close()
  context.receivers.length = 0
  webhook.add(alert(1))
  tick(0)
  await settled(1)
  assert.is(lines[0]?.fields.cause, 'ECONNREFUSED')
})

test('alerts beyond the queue are counted, and the log has one line for them', async (context) => {
  const { webhook, receiver, tick, bounds, lines } = await start(context, (request) => request.hang(), {
    maxQueued: 3,
  })
  for (let n = 1; n <= 10; n++) webhook.add(alert(n))
  tick(0)
  await receiver.request(0)
  webhook.add(alert(11))
  assert.equal(webhook.counts, { sent: 0, failed: 8, waiting: 3 })
  assert.is(bounds.snapshot().maxQueuedAlerts, 8)
  assert.is(lines.length, 1)
})

test('one call is under way at a time', async (context) => {
  const held = gate()
  const { webhook, receiver, tick } = await start(context, async (request) => {
    await held.opened
    await request.write(whole('200 OK', ''))
  })
  for (let n = 1; n <= 3; n++) webhook.add(alert(n))
  for (let n = 0; n < 5; n++) tick(250)
  await receiver.request(0)
  assert.is(receiver.connections, 1)
  held.open()
  await until(() => {
    tick(0)
    return webhook.counts.sent === 3
  }, 'all alerts')
})

test('what waits goes to the new address when the config changes', async (context) => {
  const { webhook, whole: settings, tick, settled } = await start(context, answer('500 Oh'))
  webhook.add(alert(1))
  tick(0)
  await settled(1)
  const next = await ScriptedUpstream.start(answer('200 OK'))
  context.receivers.push(next)
  webhook.reconfigure({ ...settings, url: `http://127.0.0.1:${next.port}/` })
  tick(0)
  assert.is((await next.request(0)).header('x-thinwire-alert'), 'alert_1')
})

test('the end of the relay sends what waits, pauses or not', async (context) => {
  let calls = 0
  const { webhook, tick, settled, lines } = await start(context, (request) => {
    calls++
    return request.write(whole(calls === 1 ? '503 Busy' : '200 OK', ''))
  })
  for (let n = 1; n <= 3; n++) webhook.add(alert(n))
  tick(0)
  await settled(1)
  await webhook.close()
  assert.equal(webhook.counts, { sent: 3, failed: 0, waiting: 0 })
  assert.is(lines.length, 1)
})

test('the end does not wait for a webhook that does not answer, and the log names what is left', async (context) => {
  const { webhook, receiver, tick, lines } = await start(context, (request) => request.hang())
  for (let n = 1; n <= 30; n++) webhook.add(alert(n))
  tick(0)
  const call = await receiver.request(0)
  await webhook.close()
  await call.ended()
  assert.is(receiver.requests.length, 1)
  const line = lines.find(({ fields }) => 'count' in fields)
  assert.is(line?.message, '30 alerts have not reached the webhook of limits.alerts before the end')
  assert.is(line?.fields.count, 30)
  assert.equal(
    line?.fields.alerts,
    Array.from({ length: 20 }, (_, n) => alert(n + 1).name),
  )
  webhook.tick(performance.now() + 1e6)
  assert.is(receiver.requests.length, 1)
})

test('a process that ends by itself has what is left in its log, and sends nothing', async (context) => {
  const { webhook, receiver, tick, lines } = await start(context, answer('200 OK'))
  webhook.add(alert(1))
  webhook.logLeft()
  tick(1_000)
  assert.is(receiver.connections, 0)
  assert.is(lines[0]?.message, '1 alert has not reached the webhook of limits.alerts before the end')
})

test('an end without alerts logs nothing', async (context) => {
  const { webhook, lines } = await start(context, answer('200 OK'))
  await webhook.close()
  assert.equal(lines, [])
})

test.run()
