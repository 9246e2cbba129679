import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { styleText } from 'node:util'
import { type Entry, findOwner, isError, readEntry } from '../ledger/read/entry.js'
import { SequenceCheck } from '../ledger/read/sequence-check.js'
import { LedgerTail } from '../ledger/read/tail.js'
import { formatDuration, shortenNumber } from './short.js'
import {
  CANNOT,
  type Command,
  DONE,
  findFiles,
  type Given,
  LEDGER_OPTIONS,
  readOption,
  type Stream,
  UsageProblem,
} from './usage-common.js'

const POLL_MS = 200

/** The default of tail(1). */
const LINES = 10

/** Records that are searched for matches. Without a bound, a filter without a match would read the whole ledger. */
const LINES_MAX = 100_000

/** `thinwire usage tail`: prints requests as they end. */
export const TAIL: Command = {
  help: `thinwire usage tail [-n LINES] [--team TEAM] [--user USER] [--model MODEL]
                    [--errors] [--no-follow]

Prints the last records of the usage ledger, then new ones as they are written,
until Ctrl-C: time (UTC), team/user, model, status or end reason, tokens in/out,
time to the first token, total time. "-" means unknown; "~" before tokens: they
are estimated.

  -n, --lines N   number of past records. Default: ${LINES}. The last ${LINES_MAX} records
                  are searched for matches
  --no-follow     print the past records and end
  --team TEAM     only requests of this team
  --user USER     only requests of this user: alice, or team1/alice
  --model MODEL   only requests for this model
  --errors        only requests with a status of 400 or above or without a
                  status, and responses that were cut
  --json          print records as they are in the ledger
  --config FILE   the config file. Default: thinwire.json in this folder
  --folder DIR    the ledger's folder. Default: ledger.folder of the config

Exit codes: 0 done, 2 the ledger cannot be read, or wrong options.
`,
  options: {
    ...LEDGER_OPTIONS,
    lines: { type: 'string', short: 'n' },
    'no-follow': { type: 'boolean' },
    team: { type: 'string' },
    user: { type: 'string' },
    model: { type: 'string' },
    errors: { type: 'boolean' },
    json: { type: 'boolean' },
  },
  async run({ folders, values, io }) {
    const [folder = ''] = folders
    const lines = readLineCount(values)
    if (values['no-follow'] === true && (await findFiles([folder], io)) === null) return CANNOT
    const { out } = io
    const stop = new AbortController()
    const end = (): void => stop.abort()
    let failure: string | undefined
    const fail = ({ code }: NodeJS.ErrnoException): void => {
      // The reader may stop early: `| head`.
      if (code !== 'EPIPE') failure = code
      end()
    }
    process.once('SIGINT', end).once('SIGTERM', end)
    out.on('error', fail)
    try {
      await printRecords(folder, values, lines, out, stop.signal)
    } finally {
      process.off('SIGINT', end).off('SIGTERM', end)
    }
    if (failure !== undefined) throw new UsageProblem(`standard output cannot be written (${failure})`)
    return DONE
  },
}

/** Prints records until `stop`. */
async function printRecords(
  folder: string,
  values: Given['values'],
  lines: number,
  out: Stream,
  stop: AbortSignal,
): Promise<void> {
  const seen = new SequenceCheck()
  const matches = createFilter(values)
  const colours = out.isTTY === true && (process.env.NO_COLOR ?? '') === ''
  let full = false
  /** Formats a line of the ledger. @returns null if it is not printed */
  const format = (line: string): string | null => {
    const entry = line === '' ? null : readEntry(line)
    if (entry === null || !seen.add(entry.writer, entry.seq) || !matches(entry)) return null
    return values.json === true ? line : formatEntry(entry, colours)
  }
  const print = (text: string | null): void => {
    if (text !== null && !stop.aborted) full = !out.write(`${text}\n`)
  }
  const flushed = async (): Promise<void> => {
    if (full && !stop.aborted) await once(out, 'drain', { signal: stop })
    full = false
  }
  const ledgerTail = new LedgerTail(folder, (line) => print(format(line)), flushed)
  try {
    await ledgerTail.begin()
    for (const text of await findLast(ledgerTail, lines, format, stop)) {
      print(text)
      await flushed()
    }
    while (!stop.aborted && values['no-follow'] !== true) {
      await ledgerTail.poll()
      await pause(POLL_MS, undefined, { signal: stop })
    }
  } catch (error) {
    if (!stop.aborted) throw error
  }
}

/** Finds the last records that are printed, the oldest first. */
async function findLast(
  ledgerTail: LedgerTail,
  count: number,
  format: (line: string) => string | null,
  stop: AbortSignal,
): Promise<string[]> {
  const texts: string[] = []
  if (count === 0) return texts
  let searched = 0
  await ledgerTail.lookBack((line) => {
    const text = format(line)
    if (text !== null) texts.push(text)
    if (line !== '') searched++
    return texts.length < count && searched < LINES_MAX && !stop.aborted
  })
  return texts.reverse()
}

function readLineCount(values: Given['values']): number {
  const text = readOption(values, 'lines') ?? String(LINES)
  const lines = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN
  if (lines <= LINES_MAX) return lines
  throw new UsageProblem(`--lines takes a number from 0 to ${LINES_MAX}`)
}

function createFilter(values: Given['values']): (entry: Entry) => boolean {
  const [team, user, model] = ['team', 'user', 'model'].map((name) => readOption(values, name))
  return (entry) =>
    (team === undefined || entry.team === team) &&
    (user === undefined || entry.user === user || findOwner(entry) === user) &&
    (model === undefined || entry.model === model) &&
    (values.errors !== true || isError(entry))
}

/** Formats a record as a line. Columns fit the usual values; longer ones are not cut. */
function formatEntry(entry: Entry, colours: boolean): string {
  const { end, status } = entry
  const outcome = end === 'done' || end === 'local' || end === null ? String(status ?? end ?? '-') : end
  const mark = entry.usageSource === 'estimated' ? '~' : ''
  const tokens = `${mark}${shortenNumber(entry.promptTokens)}/${shortenNumber(entry.completionTokens)}`
  const coloured = (format: 'red' | 'yellow' | 'dim', text: string): string =>
    colours ? styleText(format, text) : text
  const padded = outcome.padEnd(11)
  return [
    coloured('dim', entry.ts?.slice(11, 19) ?? '-'.padEnd(8)),
    (findOwner(entry) ?? '-').padEnd(16),
    (entry.model ?? '-').padEnd(16),
    isError(entry) ? coloured('red', padded) : end === 'client_gone' ? coloured('yellow', padded) : padded,
    tokens.padStart(11),
    formatDuration(entry.ttftMs).padStart(5),
    formatDuration(entry.totalMs).padStart(5),
  ].join(' ')
}
