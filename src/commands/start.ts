import { parseArgs } from 'node:util'
import { type Config, type ConfigSource, loadConfig } from '../config/config.js'
import { takeInheritedSockets } from '../config/inherited-sockets.js'
import { ConfigError } from '../config/problems.js'
import { Prices, PricesError } from '../ledger/prices.js'
import { preload } from '../lib/preload.js'
import { CertificateError, readCertificate } from '../server/tls-certificate.js'
import { tellPrimary } from '../workers/control.js'
import type { SuccessorStart } from '../workers/successor-seat.js'
import type { WorkerStart } from '../workers/worker-seat.js'
import type { EarlySignals } from './early-signals.js'
import type { FirstKeyPlace } from './first-key.js'

export const START_HELP = `thinwire start [--config FILE] [--listen HOST:PORT]
               [--first-key show|file]

  --config FILE        the config file; without it, thinwire.json in this folder
                       is used if it exists
  --listen HOST:PORT   where to listen, in place of the config's address
                       (127.0.0.1:4000)
  --first-key PLACE    where the key goes that is issued if there is none yet,
                       and the link for one sign-in to the page. show: they are
                       printed. file: they are written to the files first-key
                       and page-link beside the key file, for its owner alone.
                       Not given: show in a terminal, file elsewhere

Without a config file, requests go to the providers whose keys are in the
environment, OPENAI_API_KEY and ANTHROPIC_API_KEY; without these, to a built-in
demo. SIGTERM or Ctrl-C lets open streams end first; a second one ends the relay
at once. SIGHUP reloads the config file. SIGUSR2 (thinwire restart) starts a new
process with the code and the config on the disk, which takes over. If a
platform kills the relay some time after SIGTERM, THINWIRE_STOP_TIMEOUT_MS in
the environment says when: open streams are cut early enough that all records
are written by then. A socket that systemd hands over (LISTEN_FDS) takes the
place of the address.

Exit codes: 0 ended by a signal, 1 cannot run, 2 wrong settings or usage.
`

const EXIT_WRONG_USAGE = 2

type Print = (text: string) => void

/**
 * `thinwire start`: runs the relay until a signal ends it.
 * @param early what came before the relay has begun
 * @returns resolves, to the exit code, only if the relay could not start
 */
export async function runStart(args: string[], early: EarlySignals): Promise<number> {
  // A terminal or disk that takes no text is no reason to end.
  process.stderr.on('error', () => {})
  process.stdout.on('error', () => {})
  const worker = await findWorkerSeat()
  const seat = await findSuccessorSeat()
  // What keeps one of several processes from its start is said by the one that has started it.
  const problems: string[] = []
  const print: Print =
    worker === null && seat === null
      ? (text) => void process.stderr.write(`${text}\n`)
      : (text) => void problems.push(text)
  const options = readOptions(args, print)
  if (options === null) return EXIT_WRONG_USAGE
  if (options.help) {
    process.stdout.write(START_HELP)
    return 0
  }
  const { sockets, problem, warning } = takeInheritedSockets(process.env, process.pid)
  if (problem !== null) {
    print(`thinwire: ${problem}`)
    return EXIT_WRONG_USAGE
  }
  const { config: file, listen } = options
  const ordinary = { file, listen, sockets, env: process.env, cwd: process.cwd() }
  const source =
    worker !== null
      ? sourceOf(worker, ordinary)
      : { ...ordinary, ...(seat === null ? {} : { sockets: seat.sockets }) }
  const settings = readSettings(source, print)
  if (settings === null) {
    if (worker !== null) {
      tellPrimary(worker.link, { type: 'failed', message: problems.join('\n'), exitCode: EXIT_WRONG_USAGE })
      await worker.link.flush()
      process.exit(EXIT_WRONG_USAGE)
    }
    if (seat !== null) {
      const { failAsSuccessor } = await import('./serve-successor.js')
      return failAsSuccessor(seat, problems.join('\n'), EXIT_WRONG_USAGE)
    }
    return EXIT_WRONG_USAGE
  }
  const { config, prices } = settings
  if (warning !== null) print(`thinwire: ${warning}`)
  // A service, a container or a pipeline keeps what it prints.
  const firstKey = options.firstKey ?? (process.stderr.isTTY === true ? 'show' : 'file')
  // Only now is the relay's code loaded: a wrong setting is reported in half the time.
  preload('./serve.js', import.meta.url)
  if (worker !== null)
    return (await import('./serve-worker.js')).serveAsWorker(config, worker, source, prices)
  if (seat !== null)
    return (await import('./serve-successor.js')).serveAsSuccessor(config, seat, { source, prices, early })
  const serving = { source, prices, print, firstKey, early }
  if (config.workers > 1) return (await import('./serve-primary.js')).serveAsPrimary(config, serving)
  return (await import('./serve.js')).serve(config, serving)
}

/** The address of a worker is the primary's, whatever its config says now. */
function sourceOf({ listen, socket }: WorkerStart, source: ConfigSource): ConfigSource {
  return { ...source, listen, sockets: socket === null ? {} : { relay: socket } }
}

/** Node's cluster is loaded only by a process that a primary has started. */
async function findWorkerSeat(): Promise<WorkerStart | null> {
  if (process.env.THINWIRE_WORKER === undefined) return null
  return (await import('../workers/worker-seat.js')).takeWorkerSeat(process.env)
}

/** The same of a process that takes the place of another one. */
async function findSuccessorSeat(): Promise<SuccessorStart | null> {
  if (process.env.THINWIRE_SUCCESSOR === undefined) return null
  return (await import('../workers/successor-seat.js')).takeSuccessorSeat(process.env)
}

interface StartOptions {
  readonly config?: string | undefined
  readonly listen?: string | undefined
  readonly firstKey?: FirstKeyPlace | undefined
  readonly help?: boolean | undefined
}

/** @returns null if they are wrong; why is printed */
function readOptions(args: string[], print: Print): StartOptions | null {
  try {
    const { 'first-key': place, ...rest } = parseArgs({
      args,
      options: {
        config: { type: 'string' },
        listen: { type: 'string' },
        'first-key': { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
    if (place !== undefined && place !== 'show' && place !== 'file')
      throw new Error('--first-key must be show or file')
    return { ...rest, firstKey: place }
  } catch (error) {
    print(`thinwire start: ${(error as Error).message.split('\n')[0]}`)
    print('usage: thinwire start [--config FILE] [--listen HOST:PORT] [--first-key show|file]')
    return null
  }
}

/** @returns null if they cannot be used; why is printed */
function readSettings(
  source: ConfigSource,
  print: Print,
): { readonly config: Config; readonly prices: Prices | null } | null {
  try {
    const config = loadConfig(source)
    if (config.listen.tls !== null) readCertificate(config.listen.tls)
    return { config, prices: Prices.open(config.ledger.prices) }
  } catch (error) {
    if (error instanceof ConfigError || error instanceof CertificateError) print(error.message)
    else if (error instanceof PricesError) print(`ledger.prices: ${error.message}`)
    else throw error
    return null
  }
}
