#!/usr/bin/env node
import { keys } from './commands/keys.js'
import { START_HELP, start } from './commands/start.js'
import { locateKeyFile } from './config/config.js'
import { ConfigError } from './config/problems.js'
import { VERSION } from './version.js'

const HELP = `thinwire ${VERSION}: a relay for LLM APIs

  thinwire start    run the relay
  thinwire keys     issue, list and revoke access keys

thinwire COMMAND --help tells more of one; thinwire --version the version.
`

const WRONG_USAGE = 2

async function main(args: string[]): Promise<number> {
  const [command, ...rest] = args
  switch (command) {
    case 'start':
      return start(rest)
    case 'keys':
      return runKeys(rest)
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

function runKeys(args: string[]): number {
  try {
    return keys(args, {
      out: process.stdout,
      err: process.stderr,
      keyFile: (file) => locateKeyFile({ file, env: process.env, cwd: process.cwd() }),
    })
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${error.message}\n`)
    return WRONG_USAGE
  }
}

process.exitCode = await main(process.argv.slice(2))
