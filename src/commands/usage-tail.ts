import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { styleText } from 'node:util'
import { type Entry, findOwner, isError, readEntry } from '../ledger/read/entry.js'
import { SequenceCheck } from '../ledger/read/sequence-check.js'
import { LedgerTail } from '../ledger/read/tail.js'
import { formatNanoUsd } from '../lib/nano-usd.js'
import { showText } from '../lib/visible-text.js'
import { formatCost, formatDuration, shortenNumber } from './short.js'
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
import { FILTER_HELP, FILTER_OPTIONS, readFilter } from './usage-options.js'

const POLL_MS = 200

/** The default of tail(1). */
const LINES = 10

/** Records that are searched for matches. Without a bound, a filter without a match would read the whole ledger. */
const LINES_MAX = 100_000

/** `thinwire usage tail`: prints requests as they end. */
export const TAIL: Command = {
  help: `thinwire usage tail [-n LINES] [--team TEAM ...] [--errors] [--no-follow]

Prints the last records of the usage ledger, then new ones as they are written,
until Ctrl-C: time (UTC), team/user, model, status, end reason or error within a
stream, tokens in/out, time to the first token, total time, and where they are
known and fit into the terminal, cost in US dollars and tags. "-" means unknown;
"~" before tokens: they are estimated. "direct": the request went directly to
the provider (import-direct).

  -n, --lines N   number of past records. Default: ${LINES}. The last ${LINES_MAX} records
                  are searched for matches
  --no-follow     print the past records and end
${FILTER_HELP}  --errors        only requests with a status of 400 or above or without a
                  status, responses that were cut, and those that report an
                  error within a stream
  --json          print records as they are in the ledger
  --config FILE   the config file. Default: thinwire.json in this folder
  --folder DIR    the ledger's folder. Default: ledger.folder of the config

Exit codes: 0 done, 2 the ledger cannot be read, or wrong options.
`,
  options: {
    ...LEDGER_OPTIONS,
    ...FILTER_OPTIONS,
    lines: { type: 'string', short: 'n' },
    'no-follow': { type: 'boolean' },
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
  const matches = readFilter(values)
  const isShown = (entry: Entry): boolean => matches(entry) && (values.errors !== true || isError(entry))
  const colours = out.isTTY === true && (process.env.NO_COLOR ?? '') === ''
  let full = false
  /** Formats a line of the ledger. @returns null if it is not printed */
  const format = (line: string): string | null => {
    const entry = line === '' ? null : readEntry(line)
    if (entry === null || !seen.add(entry.writer, entry.seq) || !isShown(entry)) return null
    return values.json === true
      ? line
      : formatEntry(entry, colours, out.isTTY === true ? out.columns : undefined)
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

/**
 * Formats a record as a line. Columns fit the usual values; longer ones are not cut.
 * @param width of the terminal: cost and tags are left out where they would make a second line
 */
function formatEntry(entry: Entry, colours: boolean, width = Number.POSITIVE_INFINITY): string {
  const mark = entry.usageSource === 'estimated' ? '~' : ''
  const tokens = `${mark}${shortenNumber(entry.promptTokens)}/${shortenNumber(entry.completionTokens)}`
  const colour = isError(entry) ? 'red' : entry.end === 'client_gone' ? 'yellow' : null
  const columns: readonly (readonly [string, 'red' | 'yellow' | 'dim' | null])[] = [
    [showText(entry.ts ?? '').slice(11, 19) || '-'.padEnd(8), 'dim'],
    [showText(findOwner(entry) ?? '-').padEnd(16), null],
    [showText(entry.model ?? '-').padEnd(16), null],
    [showText(findOutcome(entry)).padEnd(11), colour],
    [tokens.padStart(11), null],
    [formatDuration(entry.ttftMs).padStart(5), null],
    [formatDuration(entry.totalMs).padStart(5), null],
  ]
  const cost =
    entry.cost === null ? '' : `$${formatCost(Number(formatNanoUsd(entry.cost)), false)}`.padStart(8)
  const texts = columns.map(([text, style]) => (colours && style !== null ? styleText(style, text) : text))
  let length = columns.reduce((all, [text]) => all + 1 + text.length, -1)
  for (const text of [cost, entry.isDirect ? 'direct' : '', showText(entry.tags ?? '')]) {
    if (text === '' || length + 1 + text.length > width) continue
    texts.push(text)
    length += 1 + text.length
  }
  return texts.join(' ')
}

/** The status, or what went wrong behind it. */
function findOutcome({ status, end, streamError }: Entry): string {
  if (end !== 'done' && end !== 'local' && end !== null) return end
  return status !== null && status < 400 && streamError !== null ? streamError : String(status ?? end ?? '-')
}
