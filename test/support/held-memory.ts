import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * Loaded into a process by `--import`: looks again and again at the memory that the process holds, and writes it to
 * stderr each time as a line `held N`, in bytes. All garbage is collected before each look: V8 lets up to 64 MB of
 * buffers lie that nobody holds, and more while a turn of the event loop lasts, so that resident memory says little of
 * what is held.
 */

const WAIT_MS = 100

/** The looks take a tenth of the time at most: on a busy machine a collection may take longer than the wait. */
const SHARE = 10

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as (options?: { readonly type: 'minor' }) => void

function look(): void {
  const began = performance.now()
  collect()
  // Buffers are freed beside the program. The next collection, a short one, waits until that is done.
  collect({ type: 'minor' })
  const { heapUsed, external } = process.memoryUsage()
  process.stderr.write(`held ${heapUsed + external}\n`)
  wait((performance.now() - began) * SHARE)
}

function wait(ms: number): void {
  setTimeout(look, Math.max(WAIT_MS, ms)).unref()
}

wait(0)
