import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * Loaded into a process by `--import`: looks again and again at the memory that the process holds, and writes the most
 * to stderr as a line `held N`, in bytes. All garbage is collected before each look: V8 lets up to 64 MB of buffers lie
 * that nobody holds, and more while a turn of the event loop lasts, so that resident memory says little of what is held.
 */

const LOOK_MS = 100

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as (options?: { readonly type: 'minor' }) => void

let most = 0

setInterval(() => {
  collect()
  // Buffers are freed beside the program. The next collection, a short one, waits until that is done.
  collect({ type: 'minor' })
  const { heapUsed, external } = process.memoryUsage()
  const held = heapUsed + external
  if (held <= most) return
  most = held
  process.stderr.write(`held ${most}\n`)
}, LOOK_MS).unref()
