import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { locateLedger } from '../config/config.js'
import { isRunning } from '../ledger/starts.js'
import { readErrorCode } from '../lib/error-code.js'
import {
  type FoundRelay,
  findRunning,
  type RestartState,
  type RunningRelay,
  readRunning,
} from '../workers/running-file.js'
import type { CommandIo } from './command-io.js'

export const RESTART_HELP = `thinwire restart [--config FILE] [--pid PID]

  --config FILE   the config file of the running relay; without it,
                  thinwire.json in this folder is used if it exists
  --pid PID       which relay, if several have this config's ledger folder

Replaces the process of the running relay of this machine, or all its workers,
by new ones, with the code and the config that are on the disk now. No request
is refused: the new ones take the connections once they are ready, and the old
ones end when theirs have ended, or after timeouts.drainMs. If a new one cannot
start, the old ones go on. The settings listen, workers and metrics.listen (with
several workers, all of metrics), and the environment, stay as they were: only a
stop and a start can change them.

Exit codes: 0 restarted, 1 the restart failed and the old relay goes on, 2 wrong
settings or usage, 3 there is no such relay.
`

const OK = 0
const FAILED = 1
const WRONG_USAGE = 2
const NOT_FOUND = 3

const RESTARTED = 'Restarted. What was open ends with the old code.'

/** A new process becomes ready within a minute, or is given up: a relay that says nothing for so long cannot. */
const SILENCE_MS = 150_000

/** Milliseconds between two looks at how far the restart has come. */
const POLL_MS = 50

/**
 * `thinwire restart`: replaces the processes of a running relay, and waits until they are.
 * @returns the exit code
 * @throws ConfigError
 */
export async function runRestart(args: string[], { out, err, env, cwd }: CommandIo): Promise<number> {
  const say = (text: string): boolean => out.write(`${text}\n`)
  const complain = (text: string): boolean => err.write(`thinwire restart: ${text}\n`)
  let options: { config?: string | undefined; pid?: string | undefined; help?: boolean | undefined }
  try {
    options = parseArgs({
      args,
      options: {
        config: { type: 'string' },
        pid: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (error) {
    complain((error as Error).message.split('\n')[0] ?? '')
    err.write('usage: thinwire restart [--config FILE] [--pid PID]\n')
    return WRONG_USAGE
  }
  if (options.help) {
    out.write(RESTART_HELP)
    return OK
  }
  const [folder = ''] = locateLedger({ file: options.config, env, cwd })
  const running = findRunning(folder).running.filter(isRelay)
  // One that another process has replaced may still have open requests.
  const found = running.filter(({ relay }) => findFollower(running, relay) === null)
  const chosen =
    options.pid === undefined ? found : found.filter(({ relay }) => String(relay.pid) === options.pid)
  const [target, ...others] = chosen
  if (target === undefined) {
    const which = options.pid === undefined ? 'no relay' : `no relay with the process id ${options.pid}`
    complain(`${which} runs with the ledger folder ${folder}`)
    return NOT_FOUND
  }
  if (others.length > 0) {
    const list = chosen.map(({ relay }) => `${relay.pid} (${relay.url})`).join(', ')
    complain(`several relays have the ledger folder ${folder}: choose one with --pid: ${list}`)
    return WRONG_USAGE
  }
  try {
    process.kill(target.relay.pid, 'SIGUSR2')
  } catch (error) {
    complain(
      `the relay with the process id ${target.relay.pid} cannot be told (${readErrorCode(error)}): be its user`,
    )
    return FAILED
  }
  return watchRestart(target, say, complain)
}

/** The relay that has taken the place of another one; null if none has. */
function findFollower(running: readonly FoundRelay[], { pid }: RunningRelay): FoundRelay | null {
  return running.find(({ relay }) => relay.follows === pid) ?? null
}

/** Where no /proc tells whether the process is still the relay, its command line does. */
function isRelay({ relay }: FoundRelay): boolean {
  if (relay.born !== null) return true
  try {
    return / start\b/.test(
      execFileSync('ps', ['-o', 'command=', '-p', String(relay.pid)], { encoding: 'utf8' }),
    )
  } catch {
    return false
  }
}

/** Waits for the end of the restart that the signal asks for, and says how far it has come. */
async function watchRestart(
  { path, relay }: FoundRelay,
  say: (text: string) => void,
  complain: (text: string) => void,
): Promise<number> {
  const before = relay.restart?.number ?? 0
  const workers = relay.workers === 1 ? '' : `, ${relay.workers} workers`
  say(`Restarting the relay at ${relay.url} (process ${relay.pid}${workers})`)
  let shown = 0
  let [last, lastAt] = ['', performance.now()]
  for (;;) {
    const now = readRunning(path)
    const state = JSON.stringify(now?.restart)
    if (state !== last) [last, lastAt] = [state, performance.now()]
    if (performance.now() - lastAt > SILENCE_MS) {
      complain(`the relay does not say how far it has come, as if ${path} could not be written: see its log`)
      return FAILED
    }
    const isGone = now === null ? !existsSync(path) : now.pid !== relay.pid || isRunning(now) === false
    if (isGone) {
      // It may have ended as soon as another process had its place.
      if (findFollower(findRunning(dirname(path)).running, relay) !== null) {
        say(RESTARTED)
        return OK
      }
      complain('the relay has ended')
      return FAILED
    }
    const restart = now?.restart ?? null
    if (restart !== null && restart.number > before) {
      if (restart.replaced > shown && relay.workers > 1)
        say(`  ${restart.replaced} of ${relay.workers} workers are new`)
      shown = restart.replaced
      if (restart.state !== 'running') return reportEnd(restart, say, complain)
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

function reportEnd(
  { state, problem, replaced }: RestartState,
  say: (text: string) => void,
  complain: (text: string) => void,
): number {
  if (state === 'done') {
    say(RESTARTED)
    return OK
  }
  const kept =
    replaced === 0 ? 'the relay goes on as it was' : `${replaced} workers are new, the others go on`
  complain(`failed, ${kept}: ${problem ?? 'see its log'}`)
  return FAILED
}
