import { existsSync, readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { clear, open, type Place, started } from '../../support/thinwire.js'
import { wait } from '../../support/until.js'

const test = suite<Place>('idle')

test.before.each(open)
test.after.each(clear)

/** How often the main thread has gone to sleep: voluntary_ctxt_switches of proc(5). */
function sleepsOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/task/${pid}/status`, 'utf8')
  return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1])
}

/** Four ticks of the clock, and looks at the files of the config, of the keys and of the open requests: 9 to 12. */
const MOST_A_SECOND = 25

const MOST_SECONDS = 20

// A process that nobody asks lets its core sleep: on a laptop, and in a virtual machine, each wake costs more than the
// work that it is for.
if (existsSync('/proc/self/task')) {
  test('a relay that nobody asks wakes up rarely', async (place) => {
    const thinwire = await started(place)
    const pid = Number(thinwire.child.pid)
    const seen: number[] = []
    // The first seconds have the rest of the start.
    while (seen.length < MOST_SECONDS && (seen.at(-1) ?? Number.POSITIVE_INFINITY) > MOST_A_SECOND) {
      const before = sleepsOf(pid)
      const since = performance.now()
      await wait(1_000)
      seen.push(((sleepsOf(pid) - before) * 1_000) / (performance.now() - since))
    }
    assert.ok(Number(seen.at(-1)) <= MOST_A_SECOND, `wakes in each second: ${seen.map(Math.round)}`)
  })
}

test('a relay that was stopped while nobody asked it logs for how long', async (place) => {
  const thinwire = await started(place)
  const delays = () => thinwire.lines.filter(({ delay_ms }) => delay_ms !== undefined)
  // Delays of the start are not logged, later ones are.
  for (let i = 0; i < 20 && delays().length === 0; i++) {
    await wait(1_000)
    thinwire.child.kill('SIGSTOP')
    await wait(1_000)
    thinwire.child.kill('SIGCONT')
    await wait(500)
  }
  assert.ok(Number(delays()[0]?.delay_ms) >= 500, JSON.stringify(thinwire.lines))
  assert.match(String(delays()[0]?.msg), /^the event loop was blocked for \d+ ms/)
})

test.run()
