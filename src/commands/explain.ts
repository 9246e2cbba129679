import type { CommandIo } from './command-io.js'
import { printRetries } from './explain-retries.js'
import { printHelp } from './help.js'

/** @returns the exit code */
type Subcommand = (args: string[], io: CommandIo) => number | Promise<number>

/** What can be explained, by its name. */
const SUBCOMMANDS: Readonly<Record<string, Subcommand>> = {
  // It loads most of the relay.
  request: async (args, io) => (await import('./explain-request.js')).explainRequest(args, io),
  retries: printRetries,
}

const OK = 0
const WRONG_USAGE = 2

const HELP = `How the relay decides.

  thinwire explain retries    what happens after an attempt has failed
    --json                    the same for a program
  thinwire explain request    what would happen with a request
    --model M                 the model that it names
    --key K                   the key that it comes with; it is not printed
    --team T                  in place of a key: the team of one
    --path P                  default: /v1/chat/completions
    --config FILE             default: thinwire.json in this folder
    --json                    the same for a program

Nothing is sent anywhere, and the credentials of the upstreams are not read.

Exit codes: 0 done, 1 such a request is refused, 2 wrong usage.
`

/**
 * `thinwire explain WHAT`: tells by which rules the relay decides.
 * @returns the exit code: 0 done, 1 the request is refused, 2 wrong usage
 */
export function runExplain(args: string[], io: CommandIo): number | Promise<number> {
  const [name = '', ...rest] = args
  const helped = printHelp(name, HELP, io)
  if (helped !== null) return helped
  const subcommand = Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name] : undefined
  if (subcommand === undefined) {
    io.err.write(`thinwire explain: there is only: ${Object.keys(SUBCOMMANDS).join(', ')}\n`)
    return WRONG_USAGE
  }
  if (!rest.includes('--help') && !rest.includes('-h')) return subcommand(rest, io)
  io.out.write(HELP)
  return OK
}
