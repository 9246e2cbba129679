import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { styleText } from 'node:util'
import { type Entry, findOwner, isError, readEntry } from '../ledger/read/entry.js'
import { SequenceCheck } from '../ledger/read/seen.js'
import { LedgerTail } from '../ledger/read/tail.js'
import { formatDuration, shortenNumber } from './short.js'
import {
  CANNOT,
  type Command,
  DONE,
  findFiles,
  formatError,
  type Given,
  LEDGER_OPTIONS,
  type Stream,
  UsageProblem,
} from './usage-common.js'

const POLL_MS = 200

/** As `tail` of a file has it. */
const LINES = 10

/** How far back is looked for records that are wanted: one that nobody has made would have all of a ledger read. */
const MOST_LINES = 100_000

/** `thinwire usage tail` tells of requests as they end. */
export const TAIL: Command = {
  help: `thinwire usage tail [-n LINES] [--team TEAM] [--user USER] [--model MODEL]
                    [--errors] [--no-follow]

Prints the last records of the usage ledger, then others as they are written,
until Ctrl-C: time (UTC), who asked, the model, the status or how it ended,
tokens in/out, time to the first token, time in all. What is not known is "-";
"~" ahead of tokens: they are the relay's estimate.

  -n, --lines N   so many of the last ones; else ${LINES}. They are looked for among
                  the last ${MOST_LINES} that there are
  --no-follow     end when these are printed
  --team TEAM     only requests of this team
  --user USER     only of this user: alice, or team1/alice
  --model MODEL   only those that asked for this model
  --errors        only a status from 400 up or none, and answers that were cut
  --json          records as they are in the ledger
  --config FILE   settings; thinwire.json in this folder if there is one
  --folder DIR    the ledger's folder, in place of the config's

Exit codes: 0 done, 2 it cannot be read.
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
  async run({ folder, values, io }) {
    const lines = linesOf(values)
    if (values['no-follow'] === true && (await findFiles(folder, io)) === null) return CANNOT
    const { out } = io
    const stop = new AbortController()
    const end = (): void => stop.abort()
    let failure: string | undefined
    const fail = ({ code }: NodeJS.ErrnoException): void => {
      // Whoever read it has seen enough: `| head`.
      if (code !== 'EPIPE') failure = code
      end()
    }
    process.once('SIGINT', end).once('SIGTERM', end)
    out.on('error', fail)
    try {
      await tail(folder, values, lines, out, stop.signal)
    } finally {
      process.off('SIGINT', end).off('SIGTERM', end)
    }
    if (failure !== undefined) throw new UsageProblem(`standard output cannot be written (${failure})`)
    return DONE
  },
}

/** Resolves when it is to stop. */
async function tail(
  folder: string,
  values: Given['values'],
  lines: number,
  out: Stream,
  stop: AbortSignal,
): Promise<void> {
  const seen = new SequenceCheck()
  const wanted = filterOf(values)
  const colours = out.isTTY === true && (process.env.NO_COLOR ?? '') === ''
  let full = false
  /** What is to be printed of a line; null if it is nothing. */
  const told = (line: string): string | null => {
    const entry = line === '' ? null : readEntry(line)
    if (entry === null || !seen.add(entry.writer, entry.seq) || !wanted(entry)) return null
    return values.json === true ? line : shown(entry, colours)
  }
  const print = (text: string | null): void => {
    if (text !== null && !stop.aborted) full = !out.write(`${text}\n`)
  }
  const flushed = async (): Promise<void> => {
    if (full && !stop.aborted) await once(out, 'drain', { signal: stop })
    full = false
  }
  const follower = new LedgerTail(folder, (line) => print(told(line)), flushed)
  try {
    await follower.begin()
    for (const text of await lastOf(follower, lines, told, stop)) {
      print(text)
      await flushed()
    }
    while (!stop.aborted && values['no-follow'] !== true) {
      await follower.poll()
      await pause(POLL_MS, undefined, { signal: stop })
    }
  } catch (error) {
    if (!stop.aborted) throw error
  }
}

/** The last so many texts, from the first of them. */
async function lastOf(
  follower: LedgerTail,
  count: number,
  told: (line: string) => string | null,
  stop: AbortSignal,
): Promise<string[]> {
  const texts: string[] = []
  if (count === 0) return texts
  let looked = 0
  await follower.lookBack((line) => {
    const text = told(line)
    if (text !== null) texts.push(text)
    if (line !== '') looked++
    return texts.length < count && looked < MOST_LINES && !stop.aborted
  })
  return texts.reverse()
}

function linesOf(values: Given['values']): number {
  const text = formatError(values, 'lines') ?? String(LINES)
  const lines = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN
  if (lines <= MOST_LINES) return lines
  throw new UsageProblem(`--lines takes a number from 0 to ${MOST_LINES}`)
}

function filterOf(values: Given['values']): (entry: Entry) => boolean {
  const [team, user, model] = ['team', 'user', 'model'].map((name) => formatError(values, name))
  return (entry) =>
    (team === undefined || entry.team === team) &&
    (user === undefined || entry.user === user || findOwner(entry) === user) &&
    (model === undefined || entry.model === model) &&
    (values.errors !== true || isError(entry))
}

/** A record in a line; columns are as wide as what is usual needs, and nothing is cut. */
function shown(entry: Entry, colours: boolean): string {
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
