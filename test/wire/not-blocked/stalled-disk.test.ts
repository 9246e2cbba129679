import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseResponses } from '../../support/client.js'
import { clear, open, type Place, started, type Thinwire } from '../../support/thinwire.js'
import { until } from '../../support/until.js'

const test = suite<Place>('stalled disk')

test.before.each(open)
test.after.each(clear)

const DAY_MS = 86_400_000

/** The ledger's file is a pipe that nobody reads: once it is full, a write neither fails nor completes. */
async function startedOnStalledDisk(place: Place): Promise<Thinwire> {
  const data = join(place.folder, 'data')
  mkdirSync(data)
  // Tomorrow's file too, in case the test runs at midnight.
  for (const at of [Date.now(), Date.now() + DAY_MS]) {
    const day = new Date(at).toISOString().slice(0, 10)
    assert.is(spawnSync('mkfifo', [join(data, `usage-${day}.jsonl`)]).status, 0)
  }
  // A pipe cannot be synced, and that error would be logged before a write hangs.
  writeFileSync(
    join(place.folder, 'thinwire.json'),
    '{"ledger":{"fsync":"never"},"limits":{"refusalsPerAddressPerMinute":10000}}',
  )
  return started(place)
}

// Pipes behave differently on other systems.
if (process.platform === 'linux') {
  test('a disk that hangs delays no request, and a shutdown only for a limited time', async (place) => {
    const thinwire = await startedOnStalledDisk(place)
    const client = await thinwire.client(place)
    for (let i = 0; i < 1_000; i++) client.send('GET /v1/x HTTP/1.1\r\nhost: relay\r\n\r\n')
    await until(() => parseResponses(client.bytes, false).length === 1_000, 'all responses')
    client.destroy()
    thinwire.child.kill('SIGTERM')
    await until(() => thinwire.code !== null || thinwire.signal !== null, 'thinwire to end')
    assert.match(thinwire.out, /the ledger cannot be written \(no answer\)/)
    assert.match(thinwire.out, /"lost":\d+,/)
    assert.match(thinwire.out, '"msg":"ended"')
  })
}

test.run()
