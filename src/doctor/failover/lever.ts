import { spawn } from 'node:child_process'
import { formatSeconds } from '../http-request.js'

/** Takes the relays down and brings them back. */
export interface Lever {
  /** What each way does, for messages: the command, or what the operator is asked to do. */
  readonly downText: string
  readonly upText: string
  /** The operator does it by hand: it takes as long as it takes. */
  readonly isAsked: boolean
  /** @returns what went wrong; null if nothing did */
  down(signal: AbortSignal): Promise<string | null>
  up(): Promise<string | null>
}

/** A command that takes longer is ended. */
const COMMAND_MAX_MS = 90_000

/** Builds a lever from two shell commands. Their output goes to standard error, so that an error is seen. */
export function buildCommandLever(down: string, up: string): Lever {
  return {
    downText: down,
    upText: up,
    isAsked: false,
    down: () => runCommand(down),
    async up() {
      const fault = await runCommand(up)
      // Ctrl-C reaches the command, too. The relays have to start all the same.
      return fault?.startsWith('ended by') === true ? await runCommand(up) : fault
    },
  }
}

/** Builds a lever that asks the operator. @param ask shows a text at once */
export function buildAskedLever(ask: (text: string) => void): Lever {
  return {
    downText: 'stop all relays',
    upText: 'start all relays again',
    isAsked: true,
    async down() {
      ask('Now stop all relays. The doctor sees it, and waits two minutes for it.\n')
      return null
    },
    async up() {
      ask('Now start all relays again. The doctor sees it, and waits two minutes for it.\n')
      return null
    },
  }
}

/** Runs a shell command until it ends; what it leaves in the background goes on. @returns what went wrong, or null */
function runCommand(command: string): Promise<string | null> {
  return new Promise((resolve) => {
    // Not in a process group of its own: sudo may ask for a password at the terminal.
    const child = spawn('sh', ['-c', command], { stdio: ['ignore', 2, 2] })
    const timer = setTimeout(() => {
      child.kill('SIGTERM')
      resolve(`it did not end in ${formatSeconds(COMMAND_MAX_MS)}`)
    }, COMMAND_MAX_MS)
    child.on('error', (error) => {
      clearTimeout(timer)
      resolve(error.message)
    })
    child.on('exit', (code, signal) => {
      clearTimeout(timer)
      if (code === 0) resolve(null)
      else resolve(code === null ? `ended by ${signal}` : `exit code ${code}`)
    })
  })
}
