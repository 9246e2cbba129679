import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { findReusePortFlaw } from '../../src/config/listen.js'
import { configure } from '../support/start.js'
import { clear, open, type Place, run, started, Thinwire } from '../support/thinwire.js'
import { until } from '../support/until.js'

const test = suite<Place>('several relays on one port')

test.before.each(open)
test.after.each(clear)

const isSupported = findReusePortFlaw(process.versions.node) === null
const withNewNode = isSupported && process.platform === 'linux' ? test : test.skip
const withOldNode = isSupported ? test.skip : test

for (const [version, isGood] of [
  ['20.18.1', false],
  ['22.11.0', false],
  ['22.12.0', true],
  ['23.0.0', false],
  ['23.1.0', true],
  ['24.0.0', true],
] as const) {
  test(`Node ${version} ${isGood ? 'has' : 'lacks'} reusePort`, () => {
    const flaw = findReusePortFlaw(version)
    assert.is(flaw, isGood ? null : `needs Node 22.12, 23.1 or newer, and this is Node ${version}`)
  })
}

test('several workers refuse it on every Node: a restart would cut connections that wait at their sockets', async (place) => {
  configure(place, { workers: 2, listen: { address: '127.0.0.1:0', reusePort: true } })
  const { code, err } = await run(place, ['start'])
  assert.is(code, 2)
  assert.match(err, 'listen.reusePort: is for relays with workers: 1')
})

withOldNode('a Node without reusePort refuses the setting, and names the Node that has it', async (place) => {
  configure(place, { listen: { address: '127.0.0.1:0', reusePort: true } })
  const { code, err } = await run(place, ['start'])
  assert.is(code, 2)
  assert.match(err, /listen\.reusePort: needs Node 22\.12, 23\.1 or newer, and this is Node \d/)
})

withNewNode('two relays listen at one port, and one goes on when the other ends', async (place) => {
  configure(place, { listen: { address: '127.0.0.1:0', reusePort: true } })
  const first = await started(place)
  const address = `127.0.0.1:${first.port}`
  const second = new Thinwire(place, ['start', '--listen', address])
  await until(() => second.err.includes('see README') || second.code !== null, 'the banner')
  assert.is(second.code, null, second.err)
  first.child.kill('SIGTERM')
  assert.is(await first.ended(), 0)
  const answer = await fetch(`${second.url}/healthz`)
  await answer.text()
  assert.is(answer.status, 200)
})

withNewNode('a relay without reusePort does not share a port', async (place) => {
  configure(place, { listen: { address: '127.0.0.1:0', reusePort: true } })
  const first = await started(place)
  configure(place, {})
  const { code, err } = await run(place, ['start', '--listen', `127.0.0.1:${first.port}`])
  assert.is(code, 1)
  assert.match(err, /is taken by another program/)
})

test.run()
