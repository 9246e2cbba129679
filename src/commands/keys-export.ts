import { resolve } from 'node:path'
import { Keyring, KeyringError } from '../access/keyring.js'
import { loadConfigWithoutSecrets } from '../config/config.js'
import { buildDirectList, type DirectList, DirectListError } from '../direct/direct-list.js'
import { ListFileError } from '../direct/list-file.js'
import { ListFollower } from './keys-export-follow.js'
import { cleanUp, formatList, readPlainKeys, writeList } from './keys-export-list.js'
import { type ExportOptions, readExportOptions } from './keys-export-options.js'
import { describeList, describePlainKeys, explainLeftOut } from './keys-export-text.js'
import { ShellCommand } from './shell-command.js'

export interface KeysExportIo {
  readonly out: NodeJS.WritableStream
  readonly err: NodeJS.WritableStream & { readonly isTTY?: boolean }
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** Resolves when the process is asked to end. */
  readonly ended: () => Promise<void>
}

const OK = 0
const CANNOT = 1
const WRONG_USAGE = 2

const HELP = `thinwire keys export writes the list of keys that a front proxy (nginx, HAProxy,
Caddy) may take while no relay runs, and sends straight to the provider.

  thinwire keys export --hashes                     the list as JSON, for njs
  thinwire keys export --hashes --format haproxy --out FOLDER
  thinwire keys export --format nginx --keys FILE --out FILE
  thinwire keys export --format caddy --keys FILE --out FILE

  --out FILE      where the list is written, as a whole or not at all; for
                  haproxy a folder. Not given: standard output
  --mode 640      permissions of the list; default 600
  --follow        stay, and write the list again within a second of a change
  --then COMMAND  run after each change: 'nginx -s reload'
  --keys FILE     the keys themselves, one a line, for fronts that cannot hash;
                  - is standard input
  --any-model     for nginx and caddy, which cannot check models: keys may use
                  every model of the provider, whatever the routes say
  --explain       name each key that is left out, and why
  --config FILE   the config of the relay

Left out are keys with a budget (unless direct.budgetedKeys is true), with rules
or limits for models, with limits for addresses, and those that are not valid.
Rates do not hold while requests go direct. See scripts/deploy/DIRECT.md.
`

/**
 * `thinwire keys export`: writes the list of keys that a front proxy may take while no relay runs.
 * @returns the exit code: 0 done, 1 failed, 2 wrong usage or settings
 */
export async function runKeysExport(args: readonly string[], io: KeysExportIo): Promise<number> {
  const options = readExportOptions(args)
  if (options === null) {
    io.out.write(HELP)
    return OK
  }
  if (Array.isArray(options)) {
    for (const flaw of options) io.err.write(`${flaw}\n`)
    return WRONG_USAGE
  }
  try {
    return options.follow ? await follow(options, io) : await exportOnce(options, io)
  } catch (error) {
    if (error instanceof DirectListError) {
      io.err.write(`${error.message}\n`)
      return WRONG_USAGE
    }
    if (!(error instanceof KeyringError || error instanceof ListFileError)) throw error
    io.err.write(`${error.message}\n`)
    return CANNOT
  }
}

async function exportOnce(options: ExportOptions, io: KeysExportIo): Promise<number> {
  const now = Date.now()
  const config = loadConfigWithoutSecrets({ file: options.config ?? undefined, env: io.env, cwd: io.cwd })
  const ring = Keyring.open(config.keys.file, { onProblem: (message) => io.err.write(`${message}\n`) })
  ring.close()
  const list = buildDirectList(ring.entries(), config, now)
  const texts = readPlainKeys(options, io.cwd)
  const files = formatList(list, options, texts, now, null)
  if (options.out !== null) {
    const out = resolve(io.cwd, options.out)
    cleanUp(options.format, out)
    writeList(files, out, options.mode)
  } else for (const { name, text } of files) io.out.write(name === null ? text : `# ${name}\n${text}`)
  report(list, options, io)
  const about = texts === null ? null : describePlainKeys(list, texts)
  if (about !== null) io.err.write(`${about}\n`)
  return options.afterwards === null ? OK : runAfterwards(options.afterwards, io)
}

async function runAfterwards(text: string, io: KeysExportIo): Promise<number> {
  const command = new ShellCommand(text, { say() {} })
  command.request()
  const failure = await command.finish()
  await command.close()
  if (failure === null) return OK
  io.err.write(`--then: ${failure}\n`)
  return CANNOT
}

/** Runs until a signal ends it. */
async function follow(options: ExportOptions, io: KeysExportIo): Promise<number> {
  const say = (line: string): boolean => io.err.write(`${line}\n`)
  const source = { file: options.config ?? undefined, env: io.env, cwd: io.cwd }
  const ended = io.ended()
  const follower = new ListFollower({ options, source, say })
  report(follower.current, options, io)
  await ended
  await follower.close()
  return OK
}

function report(list: DirectList, options: ExportOptions, io: KeysExportIo): void {
  io.err.write(`${describeList(list)}\n`)
  if (options.explain || io.err.isTTY === true)
    for (const line of explainLeftOut(list, options.explain)) io.err.write(`${line}\n`)
}
