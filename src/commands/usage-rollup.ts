import { listDays } from '../ledger/read/rollup-files.js'
import { makeRollups } from '../ledger/read/rollup-maker.js'
import { Progress } from './progress.js'
import { CANNOT, type Command, DONE, findFiles, LEDGER_OPTIONS, sizeOf } from './usage-common.js'

/** `thinwire usage rollup`: sums up the days that are over, so that reports of them are fast. */
export const ROLLUP: Command = {
  help: `thinwire usage rollup [--config FILE] [--folder DIR]

Sums up each day that is over in rollup-YYYY-MM-DD.jsonl, beside the ledger, so
that reports of long periods are fast. A report makes missing rollups itself:
run this each night, after 01:00 UTC, and the first report need not wait.

A rollup is made again when the files of its day have changed. It can be deleted
at any time. "thinwire usage verify" compares it with the records.

  --config FILE   the config file. Default: thinwire.json in this folder
  --folder DIR    the ledger's folder. Default: ledger.folder of the config

Exit codes: 0 done, 2 the ledger cannot be read, a rollup cannot be written, or
wrong options.
`,
  options: LEDGER_OPTIONS,
  async run({ folders, io }) {
    const files = await findFiles(folders, io)
    if (files === null) return CANNOT
    const progress = new Progress(io.err, await sizeOf(files))
    const onProgress = (bytes: number): void => progress.add(bytes)
    let [made, current] = [0, 0]
    const failed: string[] = []
    try {
      for (const folder of folders) {
        const days = listDays(files.filter((file) => file.folder === folder))
        const found = await makeRollups(folder, days, Date.now(), onProgress)
        made += found.made.length
        current += found.current
        failed.push(...found.failed.map((day) => `${day} in ${folder}`))
      }
    } finally {
      progress.end()
    }
    io.out.write(`${made} made, ${current} up to date\n`)
    if (failed.length === 0) return DONE
    io.err.write(
      `thinwire usage: no rollup of ${failed.join(', ')}: the folder cannot be written, or the files changed meanwhile\n`,
    )
    return CANNOT
  },
}
