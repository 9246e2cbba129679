import type { App } from '../app/app.js'

/** Writes what is not on the disk yet when the process ends, for whatever reason. */
export function flushOnExit(app: App): void {
  // Before the log's own listener, which then writes what this one logs.
  process.prependOnceListener('exit', () => app.flushToDisk())
  // After the log's. At its end Node waits for threads that are in a system call, and a hung disk never returns one.
  process.once('exit', () => {
    if (app.isLedgerHung) process.kill(process.pid, 'SIGKILL')
  })
}
