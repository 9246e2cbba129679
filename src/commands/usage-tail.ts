import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { styleText } from 'node:util'
import { type Entry, isError, owner, readEntry } from '../ledger/entry.js'
import { Follower } from '../ledger/follow.js'
import { Seen } from '../ledger/seen.js'
import { duration, short } from './short.js'
import {
  type Command,
  DONE,
  type Given,
  LEDGER_OPTIONS,
  type Stream,
  textOf,
  UsageProblem,
} from './usage-common.js'

const POLL_MS = 200

/** `thinwire usage tail` tells of requests as they end. */
export const TAIL: Command = {
  help: `thinwire usage tail [--team TEAM] [--user USER] [--model MODEL] [--errors]

Prints the usage ledger's records as they are written, until Ctrl-C: time
(UTC), who asked, the model, the status or how it ended, tokens in/out, time to
the first token, time in all. What is not known is "-".

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
    team: { type: 'string' },
    user: { type: 'string' },
    model: { type: 'string' },
    errors: { type: 'boolean' },
    json: { type: 'boolean' },
  },
  async run({ folder, values, io: { out } }) {
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
      await follow(folder, values, out, stop.signal)
    } finally {
      process.off('SIGINT', end).off('SIGTERM', end)
    }
    if (failure !== undefined) throw new UsageProblem(`standard output cannot be written (${failure})`)
    return DONE
  },
}

/** Resolves when it is to stop. */
async function follow(
  folder: string,
  values: Given['values'],
  out: Stream,
  stop: AbortSignal,
): Promise<void> {
  const seen = new Seen()
  const wanted = filterOf(values)
  const colours = out.isTTY === true && (process.env.NO_COLOR ?? '') === ''
  let full = false
  const follower = new Follower(
    folder,
    (line) => {
      const entry = line === '' ? null : readEntry(line)
      if (entry === null || !seen.add(entry.writer, entry.seq) || !wanted(entry) || stop.aborted) return
      full = !out.write(`${values.json === true ? line : shown(entry, colours)}\n`)
    },
    async () => {
      if (full && !stop.aborted) await once(out, 'drain', { signal: stop })
      full = false
    },
  )
  try {
    await follower.begin()
    while (!stop.aborted) {
      await follower.poll()
      await pause(POLL_MS, undefined, { signal: stop })
    }
  } catch (error) {
    if (!stop.aborted) throw error
  }
}

function filterOf(values: Given['values']): (entry: Entry) => boolean {
  const [team, user, model] = ['team', 'user', 'model'].map((name) => textOf(values, name))
  return (entry) =>
    (team === undefined || entry.team === team) &&
    (user === undefined || entry.user === user || owner(entry) === user) &&
    (model === undefined || entry.model === model) &&
    (values.errors !== true || isError(entry))
}

/** A record in a line; columns are as wide as what is usual needs, and nothing is cut. */
function shown(entry: Entry, colours: boolean): string {
  const { end, status } = entry
  const outcome = end === 'done' || end === 'local' || end === null ? String(status ?? end ?? '-') : end
  const tokens = `${short(entry.promptTokens)}/${short(entry.completionTokens)}`
  const coloured = (format: 'red' | 'yellow' | 'dim', text: string): string =>
    colours ? styleText(format, text) : text
  const padded = outcome.padEnd(11)
  return [
    coloured('dim', entry.ts?.slice(11, 19) ?? '-'.padEnd(8)),
    (owner(entry) ?? '-').padEnd(16),
    (entry.model ?? '-').padEnd(16),
    isError(entry) ? coloured('red', padded) : end === 'client_gone' ? coloured('yellow', padded) : padded,
    tokens.padStart(11),
    duration(entry.ttftMs).padStart(5),
    duration(entry.totalMs).padStart(5),
  ].join(' ')
}
