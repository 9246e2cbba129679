import { parseArgs } from 'node:util'
import { type Config, loadConfig } from '../config/config.js'
import { ConfigError } from '../config/problems.js'
import { Prices, PricesError } from '../ledger/prices.js'

export const START_HELP = `thinwire start [--config FILE] [--listen HOST:PORT]

  --config FILE        settings; thinwire.json in this folder if there is one
  --listen HOST:PORT   where to listen, in place of the config's 127.0.0.1:4000

Without a config file it relays to the providers whose keys are in the
environment, OPENAI_API_KEY and ANTHROPIC_API_KEY; with neither, to a built-in
demo. SIGTERM or Ctrl-C lets open streams end; a second one ends it now.

Exit codes: 0 ended as asked, 1 cannot run, 2 wrong settings or usage.
`

const WRONG_USAGE = 2

/** Runs the relay until a signal ends it. Resolves to the exit code only if it could not start. */
export async function runStart(args: string[]): Promise<number> {
  // A terminal or disk that does not take the banner is no reason to end.
  process.stderr.on('error', () => {})
  const say = (text: string): void => {
    process.stderr.write(`${text}\n`)
  }
  let options: { config?: string | undefined; listen?: string | undefined; help?: boolean | undefined }
  try {
    options = parseArgs({
      args,
      options: {
        config: { type: 'string' },
        listen: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (error) {
    say(`thinwire start: ${(error as Error).message.split('\n')[0]}`)
    say('usage: thinwire start [--config FILE] [--listen HOST:PORT]')
    return WRONG_USAGE
  }
  if (options.help) {
    process.stdout.write(START_HELP)
    return 0
  }

  const source = { file: options.config, listen: options.listen, env: process.env, cwd: process.cwd() }
  let config: Config
  try {
    config = loadConfig(source)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    say(error.message)
    return WRONG_USAGE
  }

  let prices: Prices | null = null
  try {
    prices = Prices.open(config.ledger.prices)
  } catch (error) {
    if (!(error instanceof PricesError)) throw error
    say(`ledger.prices: ${error.message}`)
    return WRONG_USAGE
  }

  // What runs is loaded when it is known that it can: a wrong setting is told in half the time.
  return (await import('./serve.js')).serve(config, { source, prices, say })
}
