import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { takeNotifySettings } from '../../src/commands/service-manager.js'
import { configure } from '../support/start.js'
import { clear, open, type Place, started } from '../support/thinwire.js'
import { until } from '../support/until.js'

const test = suite<Place>('what systemd is told')

test.before.each(open)
test.after.each(clear)

const SETTINGS: Array<[string, Record<string, string>, unknown]> = [
  ['without a socket nothing is told', { WATCHDOG_USEC: '1000000' }, null],
  ['a socket alone wants no signs of life', { NOTIFY_SOCKET: '/n' }, { socket: '/n', watchdogMs: null }],
  [
    'signs of life come twice in the time of the watchdog',
    { NOTIFY_SOCKET: '@n', WATCHDOG_USEC: '30000000', WATCHDOG_PID: '42' },
    { socket: '@n', watchdogMs: 15_000 },
  ],
  [
    'the watchdog of another process is not ours',
    { NOTIFY_SOCKET: '/n', WATCHDOG_USEC: '30000000', WATCHDOG_PID: '7' },
    { socket: '/n', watchdogMs: null },
  ],
  [
    'a time that is none is no watchdog',
    { NOTIFY_SOCKET: '/n', WATCHDOG_USEC: 'soon' },
    { socket: '/n', watchdogMs: null },
  ],
]

for (const [name, variables, settings] of SETTINGS) {
  test(`${name}, and the variables are gone`, () => {
    const env: Record<string, string | undefined> = { ...variables, PATH: '/bin' }
    assert.equal(takeNotifySettings(env, 42), settings)
    assert.equal(env, { PATH: '/bin' })
  })
}

/** A program in the place of systemd-notify, which writes down what it is to send. */
function replaceNotify(place: Place): Record<string, string> {
  const folder = join(place.folder, 'bin')
  mkdirSync(folder)
  const file = join(folder, 'systemd-notify')
  writeFileSync(file, `#!/bin/sh\nIFS='|'\necho "$NOTIFY_SOCKET $*" >> ${join(place.folder, 'told')}\n`)
  chmodSync(file, 0o755)
  return { PATH: `${folder}:${process.env.PATH}`, NOTIFY_SOCKET: '@the-socket' }
}

function told(place: Place): string[] {
  const file = join(place.folder, 'told')
  return existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : []
}

if (process.platform === 'linux') {
  test('a relay says when it is ready, alive, reading its config, and ending, in this order', async (place) => {
    configure(place, { timeouts: { drainMs: 20_000 } })
    const relay = await started(place, [], { ...replaceNotify(place), WATCHDOG_USEC: '100000' })
    await until(() => told(place).some((line) => line.includes('READY=1')), 'READY')
    const alive = told(place).length
    await until(() => told(place).slice(alive).includes('@the-socket WATCHDOG=1'), 'a sign of life')
    relay.child.kill('SIGHUP')
    await until(
      () => told(place).at(-1) !== undefined && told(place).filter(isReady).length === 2,
      'READY again',
    )
    relay.child.kill('SIGTERM')
    assert.is(await relay.ended(), 0)
    const lines = told(place).filter((line) => !line.includes('WATCHDOG'))
    assert.is(lines[0], `@the-socket READY=1|STATUS=listens on ${relay.url}`)
    assert.match(lines[1] ?? '', /^@the-socket RELOADING=1\|MONOTONIC_USEC=\d{6,}$/)
    assert.is(lines[2], '@the-socket READY=1')
    assert.is(lines[3], '@the-socket STOPPING=1|STATUS=ending|EXTEND_TIMEOUT_USEC=30000000')
    assert.is(lines.length, 4)
  })

  test('a relay that cannot tell says so once, and runs', async (place) => {
    const folder = join(place.folder, 'empty')
    mkdirSync(folder)
    const relay = await started(place, [], { PATH: folder, NOTIFY_SOCKET: '@the-socket' })
    await relay.logs('the service manager is not told what the relay does: there is no systemd-notify')
    const answer = await fetch(`${relay.url}/healthz`)
    await answer.text()
    assert.is(answer.status, 200)
    relay.child.kill('SIGTERM')
    assert.is(await relay.ended(), 0)
    assert.is(relay.out.split('is not told').length, 2)
  })
}

function isReady(line: string): boolean {
  return line.includes('READY=1')
}

test.run()
