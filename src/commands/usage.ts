import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { ledgerNames } from '../ledger/files.js'
import { type FileReport, type Gap, Verifier } from '../ledger/verify.js'

export const USAGE_HELP = `thinwire usage verify [--config FILE] [--folder DIR] [--json]

Reads the usage ledger, and tells by file how many records there are, lines
that are torn, records that came twice, and what is missing: each relay numbers
its records without a gap.

  --config FILE   settings; thinwire.json in this folder if there is one
  --folder DIR    the ledger's folder, in place of the config's
  --json          the same for a program

Exit codes: 0 nothing is missing, 1 something is, 2 it cannot be read.
`

const WHOLE = 0
const MISSING = 1
const CANNOT = 2

export interface UsageOutput {
  readonly out: { write(text: string): unknown }
  readonly err: { write(text: string): unknown }
  /** @throws ConfigError */
  readonly folder: (configFile: string | undefined) => string
}

/** `thinwire usage`. Resolves to the exit code. */
export async function usage(args: readonly string[], output: UsageOutput): Promise<number> {
  const { out, err } = output
  let options: {
    config?: string | undefined
    folder?: string | undefined
    json?: boolean | undefined
    help?: boolean | undefined
  }
  let command: string | undefined
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        config: { type: 'string' },
        folder: { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    })
    options = values
    command = positionals.length === 1 ? positionals[0] : undefined
  } catch (error) {
    err.write(`thinwire usage: ${(error as Error).message.split('\n')[0]}\n`)
    return CANNOT
  }
  if (options.help) {
    out.write(USAGE_HELP)
    return WHOLE
  }
  if (command !== 'verify') {
    err.write('usage: thinwire usage verify [--config FILE] [--folder DIR] [--json]\n')
    return CANNOT
  }
  const folder = options.folder ?? output.folder(options.config)
  const verifier = new Verifier()
  try {
    const names = ledgerNames(await readdir(folder))
    if (names.length === 0) {
      err.write(`thinwire usage: there is no usage-YYYY-MM-DD.jsonl in ${folder}\n`)
      return CANNOT
    }
    for (const { name } of names) {
      const file = verifier.begin(name)
      const lines = createInterface({ input: createReadStream(join(folder, name)), crlfDelay: 0 })
      for await (const line of lines) verifier.push(file, line)
    }
  } catch (error) {
    err.write(`thinwire usage: ${folder} cannot be read (${(error as NodeJS.ErrnoException).code})\n`)
    return CANNOT
  }
  const { files, gaps } = verifier
  if (options.json) out.write(`${JSON.stringify({ files, gaps })}\n`)
  else for (const line of shown(files, gaps, verifier.writerCount)) out.write(`${line}\n`)
  return gaps.length === 0 ? WHOLE : MISSING
}

function shown(files: readonly FileReport[], gaps: readonly Gap[], writers: number): string[] {
  const lines = [
    `${'file'.padEnd(26)} ${['records', 'torn', 'twice'].map((head) => head.padStart(11)).join(' ')}`,
  ]
  let records = 0
  for (const file of files) {
    records += file.records
    const counts = [file.records, file.torn, file.duplicates].map((count) => String(count).padStart(11))
    lines.push(`${file.name.padEnd(26)} ${counts.join(' ')}`)
  }
  lines.push('')
  if (gaps.length === 0) {
    lines.push(
      `${records} records of ${writers} ${writers === 1 ? 'start' : 'starts'} of the relay, and no gap between them`,
    )
    return lines
  }
  let missing = 0
  for (const { from, to } of gaps) missing += to - from + 1
  lines.push(`${records} records, and ${missing} missing:`)
  for (const { writer, from, to } of gaps.slice(0, 20)) {
    lines.push(`  ${writer} ${from === to ? `record ${from}` : `records ${from} to ${to}`}`)
  }
  if (gaps.length > 20) lines.push(`  and ${gaps.length - 20} more gaps; --json has them all`)
  return lines
}
