import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { LiveConfig } from '../../bench/live-config.js'

test('another config is taken over when its targets are there, and the file does not look changed', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'thinwire-test-')), 'thinwire.json')
  const live = new LiveConfig(file, { listen: '127.0.0.1:1' })
  const before = statSync(file)
  const relay = spawn(process.execPath, [
    '-e',
    'process.on("SIGHUP", () => process.exit(7)); setInterval(() => {}, 1e3); console.log("there")',
  ])
  await once(relay.stdout, 'data')
  const ended = once(relay, 'exit')
  let looks = 0
  const server = createServer((_, res) => {
    looks++
    res.end(
      JSON.stringify({ targets: { closed: looks < 3 ? 1 : 4, open: 0, half_open: 1, trial: 1, cooling: 2 } }),
    )
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await live.take({ listen: '127.0.0.1:1', models: {} }, 5, port, relay)
  assert.is(looks, 3)
  assert.equal(await ended, [7, null])
  assert.equal(JSON.parse(readFileSync(file, 'utf8')), { listen: '127.0.0.1:1', models: {} })
  const after = statSync(file)
  assert.equal([after.size, after.mtimeMs, after.ino], [before.size, before.mtimeMs, before.ino])
  // What it says already is not taken over again: there is nobody to ask.
  await live.take({ listen: '127.0.0.1:1', models: {} }, 99, port, relay)
  assert.is(looks, 3)
  server.close()
})

test('a config that does not fit into the file is reported', () => {
  const file = join(mkdtempSync(join(tmpdir(), 'thinwire-test-')), 'thinwire.json')
  assert.throws(() => new LiveConfig(file, { listen: 'x'.repeat(100_000) }), /too long/)
})

test.run()
