import { formatRollupChecks, verifyRollups } from '../ledger/read/rollup-check.js'
import type { Gap } from '../ledger/read/sequence-check.js'
import { type FileReport, Verifier } from '../ledger/read/verify.js'
import { CANNOT, type Command, DONE, findFiles, LEDGER_OPTIONS, readFiles } from './usage-common.js'

const MISSING = 1

/** `thinwire usage verify`: checks that no record of the ledger is missing. */
export const VERIFY: Command = {
  help: `thinwire usage verify [--config FILE] [--folder DIR] [--json]

Reads the usage ledger and prints for each file the number of records, torn
lines and duplicate records, and then the missing records: each start of a relay
numbers its records without a gap. Rollups are compared with the records.

  --config FILE   the config file. Default: thinwire.json in this folder
  --folder DIR    the ledger's folder. Default: ledger.folder of the config
  --json          print JSON, for a program

Exit codes: 0 nothing is missing, 1 records are missing or a rollup differs, 2
the ledger cannot be read, or wrong options.
`,
  options: { ...LEDGER_OPTIONS, json: { type: 'boolean' } },
  async run({ folder, values, io }) {
    const names = await findFiles(folder, io)
    if (names === null) return CANNOT
    const verifier = new Verifier()
    await readFiles(folder, names, io, (name) => {
      const file = verifier.begin(name)
      return (line) => verifier.push(file, line)
    })
    const rollups = await verifyRollups(folder, names)
    const { files, gaps } = verifier
    if (values.json === true) io.out.write(`${JSON.stringify({ files, gaps, rollups })}\n`)
    else {
      const lines = [...formatVerification(files, gaps, verifier.writerCount), ...formatRollupChecks(rollups)]
      for (const line of lines) io.out.write(`${line}\n`)
    }
    return gaps.length === 0 && rollups.every(({ state }) => state !== 'differs') ? DONE : MISSING
  },
}

function formatVerification(files: readonly FileReport[], gaps: readonly Gap[], writers: number): string[] {
  const lines = [
    `${'file'.padEnd(26)} ${['records', 'torn', 'twice'].map((head) => head.padStart(11)).join(' ')}`,
  ]
  let records = 0
  for (const file of files) {
    records += file.records
    const counts = [file.records, file.torn, file.duplicates].map((count) => String(count).padStart(11))
    lines.push(`${file.name.padEnd(26)} ${counts.join(' ')}`)
  }
  lines.push('')
  if (gaps.length === 0) {
    lines.push(
      `${records} records of ${writers} ${writers === 1 ? 'start' : 'starts'} of the relay, without a gap`,
    )
    return lines
  }
  let missing = 0
  for (const { from, to } of gaps) missing += to - from + 1
  lines.push(`${records} records, ${missing} missing:`)
  for (const { writer, from, to } of gaps.slice(0, 20)) {
    lines.push(`  ${writer} ${from === to ? `record ${from}` : `records ${from} to ${to}`}`)
  }
  if (gaps.length > 20) lines.push(`  and ${gaps.length - 20} more gaps; --json prints all`)
  return lines
}
