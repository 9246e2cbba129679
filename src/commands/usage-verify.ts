import { join } from 'node:path'
import { formatRollupChecks, type RollupCheck, verifyRollups } from '../ledger/read/rollup-check.js'
import { readStarts } from '../ledger/read/start-check.js'
import { type FileReport, type StartFinding, type Verification, Verifier } from '../ledger/read/verify.js'
import { CANNOT, type Command, DONE, findFiles, LEDGER_OPTIONS, readFiles } from './usage-common.js'
import { verifyLimits } from './usage-verify-limits.js'

const MISSING = 1

/** Gaps and the like that are printed, of each kind. */
const MOST_SHOWN = 20

/** `thinwire usage verify`: checks that no record of the ledger is missing. */
export const VERIFY: Command = {
  help: `thinwire usage verify [--config FILE] [--folder DIR] [--json]
thinwire usage verify --limits [--config FILE] [--folder DIR] [--json]

Reads the usage ledger and prints for each file the number of records, torn
lines and duplicate records, and then what is wrong with them. Each start of a
relay, or of one of its workers, numbers its records without a gap, so missing
records are found, and whose they are; it chains
them by hashes, so changed, removed and inserted lines are found; and it notes
how it has ended, so a start that was killed is found. Rollups are compared with
the records.

With --limits it compares the budgets that a relay has counted with the sums of
the records instead, in the periods that go on, and prints each difference.

  --config FILE   the config file. Default: thinwire.json in this folder
  --folder DIR    the ledger's folder. Default: ledger.folder of the config, and
                  ledger.fallbackFolder
  --json          print JSON, for a program

Exit codes: 0 nothing is missing; also after a crash, if the next start has
completed the records. 1 records are missing or changed, could not be written,
or are still to be completed by the next start; or a rollup differs; or a
budget differs, or cannot be compared. 2 the ledger cannot be read, or wrong
options.
`,
  options: { ...LEDGER_OPTIONS, json: { type: 'boolean' }, limits: { type: 'boolean' } },
  async run({ folders, values, io }) {
    if (values.limits === true) return verifyLimits({ folders, values, io })
    const files = await findFiles(folders, io)
    if (files === null) return CANNOT
    // Before the records: what is written meanwhile is no gap.
    const starts = await readStarts(folders)
    const verifier = new Verifier()
    await readFiles(files, io, ({ name, day, folder, worker }) => {
      const shown = folder === folders[0] ? name : join(folder, name)
      const file = verifier.begin(shown, day, folder, worker)
      return (line) => verifier.push(file, line)
    })
    const found = verifier.finish(starts)
    const rollups: RollupCheck[] = []
    for (const folder of folders)
      rollups.push(
        ...(await verifyRollups(
          folder,
          files.filter((file) => file.folder === folder),
        )),
      )
    if (values.json === true)
      io.out.write(`${JSON.stringify({ files: verifier.files, ...found, rollups })}\n`)
    else {
      const lines = formatVerification(verifier.files, found, verifier.writers)
      for (const line of [...lines, ...formatRollupChecks(rollups)]) io.out.write(`${line}\n`)
    }
    const isComplete = found.gaps.length === 0 && found.breaks.length === 0
    if (isForeign(verifier.files)) return MISSING
    const isSame = rollups.every(({ state }) => state !== 'differs')
    return isComplete && isSame && !found.starts.some(isUnsettled) ? DONE : MISSING
  },
}

/** A killed start whose records are completed is no reason to fail, and neither is one that may be running. */
function isUnsettled({ kind }: StartFinding): boolean {
  return kind === 'incomplete' || kind === 'lost'
}

function formatVerification(
  files: readonly FileReport[],
  found: Verification,
  writers: Verifier['writers'],
): string[] {
  const { gaps, breaks, starts } = found
  // A longer path, to the fallback folder, is not lined up.
  const width = Math.max(26, ...files.map(({ name }) => (name.includes('/') ? 0 : name.length)))
  const lines = [
    `${'file'.padEnd(width)} ${['records', 'torn', 'twice'].map((head) => head.padStart(11)).join(' ')}`,
  ]
  let records = 0
  for (const file of files) {
    records += file.records
    const counts = [file.records, file.torn, file.duplicates].map((count) => String(count).padStart(11))
    lines.push(`${file.name.padEnd(width)} ${counts.join(' ')}`)
  }
  lines.push('')
  let missing = 0
  for (const { from, to } of gaps) missing += to - from + 1
  if (isForeign(files)) lines.push('no line of these files is a record')
  else if (missing === 0) lines.push(`${records} records of ${formatWriters(writers)}, without a gap`)
  else lines.push(`${records} records, ${missing} missing:`, ...formatRanges(gaps, 'gaps'))
  if (breaks.length > 0)
    lines.push(
      'changed after they were written, or other lines were removed or put between them:',
      ...formatRanges(breaks, 'places'),
    )
  for (const start of starts) lines.push(...formatStart(start))
  return lines
}

function formatWriters({ starts, imports, workers }: Verifier['writers']): string {
  const texts: string[] = []
  const of = workers === 0 ? '' : ` (${workers} ${workers === 1 ? 'worker' : 'workers'})`
  if (starts > 0 || imports === 0)
    texts.push(`${starts} ${starts === 1 ? 'start' : 'starts'} of the relay${of}`)
  if (imports > 0) texts.push(`${imports} ${imports === 1 ? 'import' : 'imports'} of direct traffic`)
  return texts.join(' and ')
}

/** Whether there are lines, and none of them is a record: the files are compressed, or not of a ledger. */
function isForeign(files: readonly FileReport[]): boolean {
  return files.some(({ torn }) => torn > 0) && files.every(({ records }) => records === 0)
}

function formatRanges(ranges: Verification['gaps'], noun: string): string[] {
  const lines = ranges.slice(0, MOST_SHOWN).map(({ from, to, ...of }) => {
    const which = from === to ? `record ${from}` : `records ${from} to ${to}`
    return `  ${nameWriter(of)} ${which}`
  })
  const more = ranges.length - MOST_SHOWN
  return more > 0 ? [...lines, `  and ${more} more ${noun}; --json prints all`] : lines
}

/** Names a writer; of a relay with several workers, also the worker: `w-1f (worker 3)`. */
function nameWriter({ writer, worker }: { writer: string; worker: number | null }): string {
  return worker === null ? writer : `${writer} (worker ${worker})`
}

function formatStart({ started, kind, windowMs, lost, underWay, ...of }: StartFinding): string[] {
  const start = `${nameWriter(of)}, started at ${started},`
  const requests = underWay === 1 ? '1 request' : `${underWay} requests`
  const isOne = underWay === 1
  const window = `  at most the records of its last ${windowMs} ms may be missing`
  switch (kind) {
    case 'killed': {
      const recorded = `  ${requests} under way ${isOne ? 'is' : 'are'} recorded as crashed`
      return [`${start} did not end well:`, window, recorded]
    }
    case 'incomplete':
      return [
        `${start} did not end well:`,
        window,
        `  the next start of a relay records what was under way (up to ${requests})`,
      ]
    case 'unknown':
      return [`${start} has not ended, or was killed:`, '  it belongs to another machine or container']
    case 'lost':
      return [`${start} could not write ${lost === 1 ? '1 record' : `${lost} records`}`]
  }
}
