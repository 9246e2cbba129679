const OK = 0
const WRONG_USAGE = 2

/** Where a command writes. */
interface HelpIo {
  readonly out: NodeJS.WritableStream
  readonly err: NodeJS.WritableStream
}

/** Whether the first argument of a command asks for its help. */
export function isHelp(name: string): boolean {
  return name === '--help' || name === '-h' || name === 'help'
}

/**
 * Prints the help of a command with subcommands, if it was asked for or no subcommand is named.
 * @param name the first argument; an empty text for none
 * @returns the exit code; null if the first argument is something else
 */
export function printHelp(name: string, help: string, { out, err }: HelpIo): number | null {
  if (isHelp(name)) {
    out.write(help)
    return OK
  }
  if (name !== '') return null
  err.write(help)
  return WRONG_USAGE
}
