#!/usr/bin/env node
// Must be the first import, and nothing here may import a module that an older Node cannot load: the message about the
// needed version would be lost.
import './node-floor.js'
import { VERSION } from './version.js'

const HELP = `thinwire ${VERSION}: a relay for LLM APIs

  thinwire start    run the relay
  thinwire restart  replace a running relay without a refused request
  thinwire keys     issue, limit, rotate and revoke access keys
  thinwire usage    report tokens and costs, or follow requests live
  thinwire limits   show what is used of each limit, and explain them
  thinwire models   show where a model's requests go, and what is known of it
  thinwire explain  show what would happen with a request, and by which rules
  thinwire prices   show what a model costs, and compare price files
  thinwire config   check a config file without starting
  thinwire profile  show where a running relay spends its time
  thinwire doctor   check whether Cursor will work with a base URL

thinwire COMMAND --help explains a command; --version prints the version.
`

const WRONG_USAGE = 2

/** Each command imports only its own modules: loading the relay's would double the time of a short command. */
async function main(args: string[]): Promise<number> {
  const [command, ...rest] = args
  switch (command) {
    case 'start': {
      const { EarlySignals } = await import('./commands/early-signals.js')
      const early = EarlySignals.hold(process.env)
      const { preload } = await import('./lib/preload.js')
      preload('./commands/start.js', import.meta.url)
      return (await import('./commands/start.js')).runStart(rest, early)
    }
    case 'restart': {
      const { runRestart } = await import('./commands/restart.js')
      const { stdout: out, stderr: err, env } = process
      return reportConfigErrors(() => runRestart(rest, { out, err, env, cwd: process.cwd() }))
    }
    case 'keys': {
      if (rest[0] === 'export') {
        const { runKeysExport } = await import('./commands/keys-export.js')
        const { stdout: out, stderr: err, env } = process
        return reportConfigErrors(() =>
          runKeysExport(rest.slice(1), { out, err, env, cwd: process.cwd(), ended: waitForEnd }),
        )
      }
      const { runKeys } = await import('./commands/keys.js')
      const { locateKeyFile } = await import('./config/config.js')
      const show = rest[0] === 'show' ? await import('./commands/keys-direct.js') : null
      return reportConfigErrors(() =>
        runKeys(rest, {
          out: process.stdout,
          err: process.stderr,
          keyFile: (file) => locateKeyFile({ file, env: process.env, cwd: process.cwd() }),
          describeDirect: (file, id) =>
            show?.describeDirect({ file, env: process.env, cwd: process.cwd() }, id) ?? null,
        }),
      )
    }
    case 'usage': {
      const { runUsage } = await import('./commands/usage.js')
      const { loadLedgerConfig, locateLedger } = await import('./config/config.js')
      return reportConfigErrors(() =>
        runUsage(rest, {
          out: process.stdout,
          err: process.stderr,
          folders: (file) => locateLedger({ file, env: process.env, cwd: process.cwd() }),
          ledger: (file) => loadLedgerConfig({ file, env: process.env, cwd: process.cwd() }),
          limitRules: async (file) => {
            const { readLimitSources } = await import('./commands/limit-sources.js')
            return readLimitSources({ file, env: process.env, cwd: process.cwd() }, () => {}).rules
          },
        }),
      )
    }
    case 'limits': {
      const { runLimits } = await import('./commands/limits.js')
      const { stdout: out, stderr: err, env } = process
      return reportConfigErrors(() => runLimits(rest, { out, err, env, cwd: process.cwd() }))
    }
    case 'models': {
      const { runModels } = await import('./commands/models.js')
      const { loadDestinations } = await import('./config/config.js')
      return reportConfigErrors(() =>
        runModels(rest, {
          out: process.stdout,
          err: process.stderr,
          load: (file) => loadDestinations({ file, env: process.env, cwd: process.cwd() }),
        }),
      )
    }
    case 'explain': {
      const { runExplain } = await import('./commands/explain.js')
      const { stdout: out, stderr: err, env } = process
      return reportConfigErrors(() => runExplain(rest, { out, err, env, cwd: process.cwd() }))
    }
    case 'prices': {
      const { runPrices } = await import('./commands/prices.js')
      const { loadDestinations, locatePrices } = await import('./config/config.js')
      return reportConfigErrors(() =>
        runPrices(rest, {
          out: process.stdout,
          err: process.stderr,
          setting: (file) => locatePrices({ file, env: process.env, cwd: process.cwd() }),
          load: (file) => loadDestinations({ file, env: process.env, cwd: process.cwd() }),
        }),
      )
    }
    case 'config':
      return (await import('./commands/config.js')).runConfig(rest, {
        out: process.stdout,
        err: process.stderr,
        env: process.env,
        cwd: process.cwd(),
      })
    case 'profile': {
      const { runProfile } = await import('./commands/profile.js')
      const { stdout: out, stderr: err, env } = process
      return reportConfigErrors(() => runProfile(rest, { out, err, env, cwd: process.cwd() }))
    }
    case 'doctor':
      return (await import('./commands/doctor.js')).runDoctor(rest, {
        in: process.stdin,
        out: process.stdout,
        err: process.stderr,
        env: process.env,
      })
    case '--version':
    case '-v':
      process.stdout.write(`${VERSION}\n`)
      return 0
    case '--help':
    case '-h':
    case 'help':
      if (rest[0] === 'start') return main(['start', '--help'])
      process.stdout.write(HELP)
      return 0
    case undefined:
      process.stderr.write(HELP)
      return WRONG_USAGE
    default:
      process.stderr.write(`thinwire: there is no command ${JSON.stringify(command)}; try thinwire --help\n`)
      return WRONG_USAGE
  }
}

/** Resolves with the first SIGTERM or SIGINT. A second one ends the process at once, as is usual. */
function waitForEnd(): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      process.off('SIGTERM', end).off('SIGINT', end)
      resolve()
    }
    process.on('SIGTERM', end).on('SIGINT', end)
  })
}

/** Runs a command. An unusable config is a message and an exit code, without a stack trace. */
async function reportConfigErrors(command: () => number | Promise<number>): Promise<number> {
  try {
    return await command()
  } catch (error) {
    const { ConfigError } = await import('./config/problems.js')
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${error.message}\n`)
    return WRONG_USAGE
  }
}

/**
 * A reader that has enough closes its pipe (`thinwire limits | head`): the rest has nobody to read it, and the command
 * ends with its own exit code.
 */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
}

// A relay goes on, whatever becomes of its output.
if (process.argv[2] !== 'start') {
  process.stdout.on('error', ignoreClosedPipe)
  process.stderr.on('error', ignoreClosedPipe)
}
process.exitCode = await main(process.argv.slice(2))
