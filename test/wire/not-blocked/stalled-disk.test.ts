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

/** The ledger's file is a pipe that nobody reads: a write beyond what it holds neither fails nor comes back. */
async function startedOnStalledDisk(place: Place): Promise<Thinwire> {
  const data = join(place.folder, 'data')
  mkdirSync(data)
  // Of tomorrow as well, should it be midnight.
  for (const at of [Date.now(), Date.now() + DAY_MS]) {
    const day = new Date(at).toISOString().slice(0, 10)
    assert.is(spawnSync('mkfifo', [join(data, `usage-${day}.jsonl`)]).status, 0)
  }
  // A pipe cannot be synced, which would be told before anything hangs.
  writeFileSync(join(place.folder, 'thinwire.json'), '{"ledger":{"fsync":"never"}}')
  return started(place)
}

// Elsewhere a pipe has other ways.
if (process.platform === 'linux') {
  test('a ledger whose disk has stopped holds up no request, and not the end for ever', async (place) => {
    const thinwire = await startedOnStalledDisk(place)
    const client = await thinwire.client(place)
    for (let i = 0; i < 1_000; i++) client.send('GET /v1/x HTTP/1.1\r\nhost: relay\r\n\r\n')
    await until(() => parseResponses(client.bytes, false).length === 1_000, 'all answers')
    client.destroy()
    thinwire.child.kill('SIGTERM')
    await until(() => thinwire.code !== null || thinwire.signal !== null, 'thinwire to end')
    assert.match(thinwire.out, /the ledger cannot be written \(no answer\)/)
    assert.match(thinwire.out, /"lost":\d+,/)
    assert.match(thinwire.out, '"msg":"ended"')
  })
}

test.run()
