import { parseArgs } from 'node:util'
import { CANNOT, type Command, DONE, formatError, type UsageIo, UsageProblem } from './usage-common.js'
import { REPORT } from './usage-report.js'
import { TAIL } from './usage-tail.js'
import { VERIFY } from './usage-verify.js'

const COMMANDS: Readonly<Record<string, Command>> = { report: REPORT, tail: TAIL, verify: VERIFY }

const HELP = `thinwire usage report    what requests came to; report may be left out
thinwire usage tail      requests as they end
thinwire usage verify    look whether the usage ledger is whole

`

/** `thinwire usage`: what the usage ledger tells. Resolves to the exit code. */
export async function runUsage(args: readonly string[], io: UsageIo): Promise<number> {
  const [first = ''] = args
  // Options alone are a report's.
  const named = first !== '' && !first.startsWith('-')
  const command = named ? (Object.hasOwn(COMMANDS, first) ? COMMANDS[first] : undefined) : REPORT
  if (command === undefined) {
    return cannot(io, `there is only ${Object.keys(COMMANDS).join(', ')} (more: thinwire usage --help)`)
  }
  let values: Readonly<Record<string, unknown>>
  try {
    const options = { ...command.options, help: { type: 'boolean', short: 'h' } } as const
    values = parseArgs({ args: args.slice(named ? 1 : 0), options }).values
  } catch (error) {
    return cannot(io, (error as Error).message.split('\n')[0] ?? '')
  }
  if (values.help === true) {
    io.out.write(named ? command.help : `${HELP}${command.help}`)
    return DONE
  }
  const folder = formatError(values, 'folder') ?? io.folder(formatError(values, 'config'))
  try {
    return await command.run({ folder, values, io })
  } catch (error) {
    if (error instanceof UsageProblem) return cannot(io, error.message)
    const { code } = error as NodeJS.ErrnoException
    // A fault of the program is none of the disk's.
    if (code === undefined) throw error
    return cannot(io, `${folder} cannot be read (${code})`)
  }
}

function cannot(io: UsageIo, why: string): number {
  io.err.write(`thinwire usage: ${why}\n`)
  return CANNOT
}
