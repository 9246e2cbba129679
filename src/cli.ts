#!/usr/bin/env node
import { doctor } from './commands/doctor.js'
import { keys } from './commands/keys.js'
import { START_HELP, start } from './commands/start.js'
import { usage } from './commands/usage.js'
import { locateKeyFile, locateLedger } from './config/config.js'
import { ConfigError } from './config/problems.js'
import { VERSION } from './version.js'

const HELP = `thinwire ${VERSION}: a relay for LLM APIs

  thinwire start    run the relay
  thinwire keys     issue, list and revoke access keys
  thinwire usage    what requests came to, and what comes in now
  thinwire doctor   whether Cursor will work with a base URL, and what to change

thinwire COMMAND --help tells more of one; thinwire --version the version.
`

const WRONG_USAGE = 2

async function main(args: string[]): Promise<number> {
  const [command, ...rest] = args
  switch (command) {
    case 'start':
      return start(rest)
    case 'keys':
      return telling(() =>
        keys(rest, {
          out: process.stdout,
          err: process.stderr,
          keyFile: (file) => locateKeyFile({ file, env: process.env, cwd: process.cwd() }),
        }),
      )
    case 'usage':
      return telling(() =>
        usage(rest, {
          out: process.stdout,
          err: process.stderr,
          folder: (file) => locateLedger({ file, env: process.env, cwd: process.cwd() }),
        }),
      )
    case 'doctor':
      return doctor(rest, { in: process.stdin, out: process.stdout, err: process.stderr, env: process.env })
    case '--version':
    case '-v':
      process.stdout.write(`${VERSION}\n`)
      return 0
    case '--help':
    case '-h':
    case 'help':
      process.stdout.write(rest[0] === 'start' ? START_HELP : HELP)
      return 0
    case undefined:
      process.stderr.write(HELP)
      return WRONG_USAGE
    default:
      process.stderr.write(`thinwire: there is no command ${JSON.stringify(command)}; try thinwire --help\n`)
      return WRONG_USAGE
  }
}

/** A config that cannot be used is told, and is no fault of the program. */
async function telling(command: () => number | Promise<number>): Promise<number> {
  try {
    return await command()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${error.message}\n`)
    return WRONG_USAGE
  }
}

process.exitCode = await main(process.argv.slice(2))
