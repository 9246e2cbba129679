import { parseArgs } from 'node:util'
import { CANNOT, type Command, DONE, readOption, type UsageIo, UsageProblem } from './usage-common.js'
import { IMPORT_DIRECT } from './usage-import-direct.js'
import { REPORT } from './usage-report.js'
import { ROLLUP } from './usage-rollup.js'
import { TAIL } from './usage-tail.js'
import { VERIFY } from './usage-verify.js'

const COMMANDS: Readonly<Record<string, Command>> = {
  report: REPORT,
  tail: TAIL,
  verify: VERIFY,
  rollup: ROLLUP,
  'import-direct': IMPORT_DIRECT,
}

const HELP = `thinwire usage report    sum up requests, tokens and cost (the default command)
thinwire usage tail      print requests as they end
thinwire usage verify    check that no record of the usage ledger is missing
thinwire usage rollup    sum up the days that are over, for fast reports
thinwire usage import-direct
                         record what went past the relay, from a front's log

`

/** `thinwire usage`: reads the usage ledger. Resolves to the exit code. */
export async function runUsage(args: readonly string[], io: UsageIo): Promise<number> {
  const [first = ''] = args
  // Options without a command are those of report.
  const named = first !== '' && !first.startsWith('-')
  const command = named ? (Object.hasOwn(COMMANDS, first) ? COMMANDS[first] : undefined) : REPORT
  if (command === undefined) {
    const names = Object.keys(COMMANDS)
    return refuse(io, `use ${names.slice(0, -1).join(', ')} or ${names.at(-1)} (more: --help)`)
  }
  let values: Readonly<Record<string, unknown>>
  let names: readonly string[]
  try {
    const options = { ...command.options, help: { type: 'boolean', short: 'h' } } as const
    const allowPositionals = command.takesNames === true
    const parsed = parseArgs({ args: args.slice(named ? 1 : 0), options, allowPositionals })
    values = parsed.values
    names = parsed.positionals
  } catch (error) {
    return refuse(io, (error as Error).message.split('\n')[0] ?? '')
  }
  if (values.help === true) {
    io.out.write(named ? command.help : `${HELP}${command.help}`)
    return DONE
  }
  const folder = readOption(values, 'folder')
  const folders = folder === undefined ? io.folders(readOption(values, 'config')) : [folder]
  try {
    return await command.run({ folders, values, names, io })
  } catch (error) {
    if (error instanceof UsageProblem) return refuse(io, error.message)
    const { code, path = folders[0] } = error as NodeJS.ErrnoException
    // An error without a code is a fault of the program, not of the disk.
    if (code === undefined) throw error
    return refuse(io, `${path} cannot be read (${code})`)
  }
}

function refuse(io: UsageIo, why: string): number {
  io.err.write(`thinwire usage: ${why}\n`)
  return CANNOT
}
