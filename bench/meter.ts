import { monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks'

// This module is loaded into every contestant that runs on Node, before its own code (`node --import`). It reports over
// IPC what the process has used, and ends the process when its parent is gone.

/** What a process has used since its start, and the delay of its event loop since the last reading. */
export interface Reading {
  /** CPU time of all threads, microseconds. */
  readonly cpuUs: number
  readonly rssBytes: number
  /** Time in garbage collection on the main thread, microseconds. Null outside of Node. */
  readonly gcUs: number | null
  /** How late a timer of 1 ms was, at the 99th percentile, microseconds. Null outside of Node. */
  readonly loopDelayP99Us: number | null
  /** The longest of these: how long the loop was busy with one turn, to a millisecond. Null outside of Node. */
  readonly loopDelayMaxUs: number | null
}

const RESOLUTION_MS = 1

let gcMs = 0
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) gcMs += entry.duration
}).observe({ entryTypes: ['gc'] })

// A timer each millisecond is work, so it runs only while a scenario needs its figure.
let delay: ReturnType<typeof monitorEventLoopDelay> | null = null

/** @param ns time between two runs of the timer */
function late(ns: number): number {
  return Math.max(0, ns / 1_000 - RESOLUTION_MS * 1_000)
}

// The channel of a worker is that of its primary.
if (process.env.THINWIRE_WORKER === undefined) {
  process.on('message', onMessage)
  process.on('disconnect', () => process.exit(0))
  // The channel must not keep the process alive.
  process.channel?.unref()
}

function onMessage(message: unknown): void {
  if (message === 'watch') {
    delay ??= monitorEventLoopDelay({ resolution: RESOLUTION_MS })
    delay.reset()
    delay.enable()
    process.send?.('watching')
  } else if (message === 'read') {
    const { user, system } = process.cpuUsage()
    const reading: Reading = {
      cpuUs: user + system,
      rssBytes: process.memoryUsage.rss(),
      gcUs: gcMs * 1_000,
      loopDelayP99Us: delay === null ? null : late(delay.percentile(99)),
      loopDelayMaxUs: delay === null ? null : late(delay.max),
    }
    delay?.disable()
    delay = null
    process.send?.(reading)
  }
}
