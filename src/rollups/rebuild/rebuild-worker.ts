import { once } from 'node:events'
import { getPriority, setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { type RebuildNews, type RebuildTask, rebuild } from './rebuild.js'

/** Behind all that serves requests, and before what is only for idle times. */
const NICE = 10

if (parentPort !== null) {
  const port = parentPort
  // On Linux a thread has a priority of its own; elsewhere it would be that of the whole relay.
  // Where the relay itself stands further behind, the thread must not go before it.
  if (process.platform === 'linux') setPriority(Math.max(NICE, getPriority()))
  await rebuild(workerData as RebuildTask, async (news: RebuildNews) => {
    port.postMessage(news)
    if (news.kind !== 'end') await once(port, 'message')
  })
  port.close()
}
