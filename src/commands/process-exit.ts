import type { App } from '../app/app.js'

/** Exit code of a relay that ended well, but could not write some records. */
export const EXIT_RECORDS_LOST = 1

/** Writes what is not on the disk yet when the process ends, for whatever reason. */
export function flushOnExit(app: App): void {
  // Before the log's own listener, which then writes what this one logs.
  process.prependOnceListener('exit', (code) => {
    const lost = app.flushToDisk()
    if (lost === 0) return
    // The log may be on the same full disk.
    process.stderr.write(`thinwire: ${lost} records could not be written to the ledger\n`)
    if (code === 0) process.exitCode = EXIT_RECORDS_LOST
  })
  // After the log's. At its end Node waits for threads that are in a system call, and a hung disk never returns one.
  process.once('exit', () => {
    if (app.isLedgerHung) process.kill(process.pid, 'SIGKILL')
  })
}
