import { parseArgs } from 'node:util'
import { PricesError } from '../ledger/prices.js'
import { printHelp } from './help.js'
import {
  CANNOT,
  type Given,
  OK,
  type PricesIo,
  PricesProblem,
  type Subcommand,
  WRONG_USAGE,
} from './prices-common.js'
import { EXPLAIN } from './prices-explain.js'
import { UPDATE } from './prices-update.js'

const HELP = `Prices: what a model costs by the price file, or by the built-in table.

  thinwire prices explain MODEL   the rates of a model, and what a usage costs
    --upstream U                  as if the upstream U of the config answered
    --usage JSON                  tokens: the "usage" of a response as it is, or
                                  by the names that records have
  thinwire prices update          compare the prices in use with another file
    --file F                      the other file
    --write                       and put it in the place of ledger.prices

  --json                          print JSON, for a program
  --config FILE                   the config file. Default: thinwire.json in
                                  this folder

A price file has the format of LiteLLM's model_prices_and_context_window.json.
A running relay takes a new file within a second. Nothing is downloaded.

  thinwire prices explain gpt-4o --usage '{"prompt_tokens":900,
    "cached_tokens":500,"completion_tokens":80}'

Exit codes: 0 done, 1 no price or no usable file, 2 wrong usage or settings.
`

const SUBCOMMANDS: Readonly<Record<string, Subcommand>> = { explain: EXPLAIN, update: UPDATE }

/**
 * `thinwire prices`: explains prices, and compares price files.
 * @returns the exit code: 0 done, 1 no price or no usable file, 2 wrong usage
 */
export function runPrices(args: readonly string[], io: PricesIo): number {
  const [name = '', ...rest] = args
  const helped = printHelp(name, HELP, io)
  if (helped !== null) return helped
  const subcommand = Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name] : undefined
  if (subcommand === undefined) return refuse(io, WRONG_USAGE, 'the commands are explain and update')
  const given = readArguments(rest, subcommand)
  if (given === null) {
    const names = Object.keys({ ...subcommand.options, config: '', json: '' }).map((option) => `--${option}`)
    return refuse(io, WRONG_USAGE, `${name} takes ${names.join(', ')} and --help`)
  }
  if (given.values.help === true) {
    io.out.write(HELP)
    return OK
  }
  const flaw = subcommand.check(given)
  if (flaw !== null) return refuse(io, WRONG_USAGE, flaw)
  try {
    return subcommand.run(given, io)
  } catch (error) {
    if (error instanceof PricesProblem) return refuse(io, WRONG_USAGE, error.message)
    if (!(error instanceof PricesError)) throw error
    io.err.write(`thinwire prices: ${error.message}\n`)
    return CANNOT
  }
}

function refuse(io: PricesIo, code: number, why: string): number {
  io.err.write(`thinwire prices: ${why} (more: thinwire prices --help)\n`)
  return code
}

/** @returns null if they are wrong */
function readArguments(args: readonly string[], { options }: Subcommand): Given | null {
  try {
    const common = {
      config: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    } as const
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { ...options, ...common },
    })
    return { values: values as Given['values'], rest: positionals }
  } catch {
    return null
  }
}
