import { printRetries } from './explain-retries.js'

/** What the command writes to. */
export interface ExplainIo {
  readonly out: NodeJS.WritableStream
  readonly err: NodeJS.WritableStream
}

/** @returns the exit code */
type Subcommand = (args: string[], io: ExplainIo) => number

/** What can be explained, by its name. */
const SUBCOMMANDS: Readonly<Record<string, Subcommand>> = { retries: printRetries }

const OK = 0
const WRONG_USAGE = 2

const HELP = `How the relay decides.

  thinwire explain retries    what happens after an attempt has failed
    --json                    the same for a program

Nothing is sent anywhere, and no config is read.
`

/**
 * `thinwire explain WHAT`: tells by which rules the relay decides.
 * @returns the exit code: 0 done, 2 wrong usage
 */
export function runExplain(args: string[], io: ExplainIo): number {
  const [name, ...rest] = args
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    ;(name === undefined ? io.err : io.out).write(HELP)
    return name === undefined ? WRONG_USAGE : OK
  }
  const subcommand = Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name] : undefined
  if (subcommand !== undefined && !rest.includes('--help') && !rest.includes('-h'))
    return subcommand(rest, io)
  if (subcommand !== undefined) {
    io.out.write(HELP)
    return OK
  }
  io.err.write(`thinwire explain: there is only: ${Object.keys(SUBCOMMANDS).join(', ')}\n`)
  return WRONG_USAGE
}
