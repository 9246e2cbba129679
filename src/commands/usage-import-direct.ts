import { accessSync, constants, statSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DirectImport, type LogCounts, openLog } from '../ledger/direct/direct-import.js'
import type { DayCounts } from '../ledger/direct/import-day.js'
import { ImportLock, ImportRuns } from '../ledger/direct/import-lock.js'
import { listLedgerNames } from '../ledger/files.js'
import { isMissing } from '../ledger/read/start-check.js'
import { readErrorCode } from '../lib/error-code.js'
import { showText } from '../lib/visible-text.js'
import { type Command, DONE, LEDGER_OPTIONS, readOption, UsageProblem } from './usage-common.js'
import { wrapLine } from './wrap-line.js'

/** A log could not be read, or no line of it. */
const FAILED = 1

/** How long another import is waited for, in milliseconds. */
const LOCK_WAIT_MS = 10_000

/** How a shell names a pipe: `<(zcat access.log.*.gz)`. */
const SHELL_PIPE = /^\/(?:dev\/(?:fd\/|stdin$)|proc\/)/

/** `thinwire usage import-direct`: records what went past the relay, from the access log of a front. */
export const IMPORT_DIRECT: Command = {
  help: `thinwire usage import-direct FILE... [--config FILE] [--folder DIR] [--dry-run]

Reads access logs of a front (nginx, HAProxy or Caddy, as the recipes set them
up) and records the requests that went directly to the provider, past the relay.
Such a record has no tokens and no cost, as nobody has counted them: reports say
how many requests that are.

Each request is recorded once. A log may be imported again while it grows; logs
may overlap, be rotated, be copies, and come in any order. A relay may run and
write meanwhile. Run it as the user that the relay runs as.

  FILE            an access log; also rotated and compressed: access.log.2.gz.
                  - is standard input
  --dry-run       only say what would be imported
  --config FILE   the config file. Default: thinwire.json in this folder
  --folder DIR    the ledger's folder. Default: ledger.folder of the config

Exit codes: 0 done, also if some lines cannot be read. 1 a log cannot be read to
its end, or no line of it is one of an access log. 2 the ledger cannot be read
or written, another import runs, or wrong options.
`,
  options: { ...LEDGER_OPTIONS, 'dry-run': { type: 'boolean' } },
  takesNames: true,
  async run({ folders, values, names, io }) {
    if (names.length === 0)
      throw new UsageProblem('import-direct needs the access log of a front: FILE, or -')
    if (names.filter((name) => name === '-').length > 1)
      throw new UsageProblem('standard input (-) can be read once')
    for (const name of names) checkLog(name)
    const isDry = values['dry-run'] === true
    const [folder = ''] = folders
    const options = io.ledger(readOption(values, 'config'))
    if (!isDry) await checkOwner(folder)
    const lock = isDry ? null : await takeLock(folder)
    const logs: LogCounts[] = []
    let counts: DirectImport['counts']
    try {
      const direct = new DirectImport({ folders, options, isDry })
      try {
        for (const name of names) logs.push(await direct.read(name, openLog(name)))
        await direct.close()
      } catch (error) {
        direct.abandon()
        const { code, path = folder } = error as NodeJS.ErrnoException
        // An error without a code is a fault of the program, not of the disk.
        if (code === undefined) throw error
        throw new UsageProblem(
          `${path} cannot be read or written (${code}); what is imported stays, so run it again`,
        )
      }
      counts = direct.counts
    } finally {
      await lock?.release()
    }
    for (const line of formatCounts(counts, logs, isDry)) io.out.write(line)
    for (const log of logs) for (const line of formatProblems(log)) io.err.write(line)
    return logs.some(isUnread) ? FAILED : DONE
  },
}

/** A misspelled name is found before anything is imported. */
function checkLog(name: string): void {
  if (name === '-') return
  try {
    accessSync(name, constants.R_OK)
    const found = statSync(name)
    if (found.isDirectory()) throw new UsageProblem(`${name} is a folder; name the files in it`)
    // A pipe of the shell ends with its writer. A pipe with a name may have none: to open it would wait without an end.
    if (!found.isFile() && !(found.isFIFO() && SHELL_PIPE.test(name)))
      throw new UsageProblem(`${name} is no file; name a log, or - to read standard input`)
  } catch (error) {
    if (error instanceof UsageProblem) throw error
    throw new UsageProblem(`${name} cannot be read (${readErrorCode(error)})`)
  }
}

/** A file of another user would keep the relay from writing its records of that day. */
async function checkOwner(folder: string): Promise<void> {
  const own = process.getuid?.()
  const owner = await findOwner(folder, own === 0)
  if (own === undefined || owner === null || owner === own) return
  throw new UsageProblem(
    `run this as the user that the relay runs as: ${folder} is that of user ${owner}, and this is user ${own}`,
  )
}

/**
 * The user of the newest file; for root also that of a folder without files, which others may be allowed to write.
 * @returns null if there is none
 */
async function findOwner(folder: string, isRoot: boolean): Promise<number | null> {
  try {
    const last = listLedgerNames(await readdir(folder)).at(-1)
    if (last === undefined && !isRoot) return null
    return (await stat(last === undefined ? folder : join(folder, last.name))).uid
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

async function takeLock(folder: string): Promise<ImportLock> {
  try {
    return await ImportLock.take(folder, LOCK_WAIT_MS)
  } catch (error) {
    if (error instanceof ImportRuns) throw new UsageProblem(error.message)
    throw new UsageProblem(`${folder} cannot be written (${readErrorCode(error)})`)
  }
}

/** Nothing of the log could be used. */
function isUnread({ failure, lines, bad }: LogCounts): boolean {
  return failure !== null || (bad > 0 && bad === lines)
}

const HEADS = ['imported', 'refused', 'there before'] as const

function formatCounts(days: DirectImport['counts'], logs: readonly LogCounts[], isDry: boolean): string[] {
  const total: DayCounts = { imported: 0, refused: 0, known: 0 }
  const row = (name: string, cells: readonly (string | number)[]): string =>
    `${name.padEnd(10)} ${cells.map((cell) => String(cell).padStart(12)).join(' ')}\n`
  const lines = [row('day', isDry ? ['to import', HEADS[1], HEADS[2]] : HEADS)]
  for (const [day, { imported, refused, known }] of days) {
    lines.push(row(day, [imported, refused, known]))
    total.imported += imported
    total.refused += refused
    total.known += known
  }
  lines.push(row('total', [total.imported, total.refused, total.known]))
  const other = logs.reduce((all, log) => all + log.other, 0)
  if (other > 0) lines.push(wrapLine('', `${countLines(other)} of other requests: not imported`))
  return lines
}

function formatProblems({ name, bad, named, isTorn, failure }: LogCounts): string[] {
  const shown = showText(name)
  const lines: string[] = []
  if (bad > 0) {
    lines.push(wrapLine('', `${shown}: ${countLines(bad)} cannot be read:`))
    for (const { line, why } of named) lines.push(wrapLine('  ', `line ${line}: ${why}`))
    if (bad > named.length) lines.push(`  and ${bad - named.length} more\n`)
  }
  if (isTorn)
    lines.push(wrapLine('', `${shown}: the last line has no end yet: it is left for the next import`))
  if (failure !== null)
    lines.push(
      wrapLine('', `${shown} cannot be read to its end (${failure}); what comes before it is imported`),
    )
  return lines
}

function countLines(count: number): string {
  return count === 1 ? '1 line' : `${count} lines`
}
