import { readFile, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { MOST_SECONDS } from '../admin/profile-endpoint.js'
import { locateMetrics } from '../config/config.js'
import { isLoopback } from '../config/listen.js'
import { readErrorCode } from '../lib/error-code.js'
import { showText } from '../lib/visible-text.js'
import type { CommandIo } from './command-io.js'
import { formatAddress, formatOrigin } from './listening.js'
import { ProfileProblem, requestProfile } from './profile-request.js'
import { type CpuProfile, parseProfile, summarizeProfile } from './profile-summary.js'
import { formatSummary } from './profile-text.js'

const OK = 0
const CANNOT = 1
const WRONG_USAGE = 2

const SECONDS = 10

const HELP = `thinwire profile [--seconds N] [--worker N] [--out FILE]
                 [--config FILE | --url URL]
thinwire profile FILE.cpuprofile

Asks the running relay for a CPU profile, writes it to a file, and shows where
the time went: by phase of a request, by module, and by function. The file opens
in the developer tools of Chrome (Performance, Load profile) and in VS Code.

  --seconds N    how long, from 1 to ${MOST_SECONDS}. Default: ${SECONDS}
  --worker N     which worker of the relay, where it has several. Default: 1
  --out FILE     where the profile goes. Default: thinwire-TIME.cpuprofile in
                 this folder
  --config FILE  the relay's config file, for its metrics.listen. Default:
                 thinwire.json in this folder
  --url URL      the relay's metrics address: http://127.0.0.1:9464
  --json         print the summary as JSON, for a program

With a FILE, no relay is asked: the profile in it is summed up once more.

The relay takes profiles at metrics.listen, if that is on loopback, and only for
its own user and root. It stops for about 0.1 s at the beginning, and then needs
about 7 % more CPU time. A profile has names of functions and files, no secret.

Exit codes: 0 done, 1 there is no profile, 2 wrong settings or usage.
`

/** `thinwire profile`: where the running relay spends its time. Resolves to the exit code. */
export async function runProfile(args: readonly string[], io: CommandIo): Promise<number> {
  const given = readArguments(args)
  if (typeof given === 'string') return refuse(io, WRONG_USAGE, `${given} (more: thinwire profile --help)`)
  if (given.help) {
    io.out.write(HELP)
    return OK
  }
  try {
    const { profile, file } = given.file === null ? await take(given, io) : await read(given.file, io)
    const summary = summarizeProfile(profile)
    io.out.write(given.json ? `${JSON.stringify({ file, ...summary })}\n` : formatSummary(summary))
    return OK
  } catch (error) {
    if (error instanceof WrongSetting) return refuse(io, WRONG_USAGE, error.message)
    if (error instanceof ProfileProblem) return refuse(io, CANNOT, error.message)
    throw error
  }
}

interface Given {
  /** A profile that is there already; null to take one. */
  readonly file: string | null
  readonly seconds: number
  readonly worker: number
  readonly out: string | undefined
  readonly config: string | undefined
  readonly url: string | undefined
  readonly json: boolean
  readonly help: boolean
}

/** The command cannot know where the relay is, or it is where no profiles are taken. */
class WrongSetting extends Error {}

/** @returns a sentence if they are wrong */
function readArguments(args: readonly string[]): Given | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        seconds: { type: 'string' },
        worker: { type: 'string' },
        out: { type: 'string' },
        config: { type: 'string' },
        url: { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    })
    const { seconds: text = String(SECONDS), out, config, url, json = false, help = false } = values
    const seconds = /^\d{1,2}$/.test(text) ? Number(text) : 0
    if (seconds < 1 || seconds > MOST_SECONDS)
      return `--seconds must be a whole number from 1 to ${MOST_SECONDS}`
    const worker = /^\d{1,3}$/.test(values.worker ?? '1') ? Number(values.worker ?? 1) : 0
    if (worker < 1) return '--worker must be the number of a worker: 1, 2, 3'
    if (positionals.length > 1) return 'it takes one FILE.cpuprofile at most'
    if (config !== undefined && url !== undefined) return '--config and --url exclude each other'
    const [file = null] = positionals
    if (
      file !== null &&
      [values.seconds, values.worker, out, config, url].some((value) => value !== undefined)
    )
      return 'with a FILE there is nothing to take: only --json goes with it'
    return { file, seconds, worker, out, config, url, json, help }
  } catch (error) {
    return (error as Error).message.split('\n')[0] ?? ''
  }
}

interface Taken {
  readonly profile: CpuProfile
  /** Where it is. */
  readonly file: string
}

async function take({ seconds, worker, out, config, url }: Given, io: CommandIo): Promise<Taken> {
  const origin = url === undefined ? findOrigin(config, io) : checkUrl(url)
  const begun = (): void => void io.err.write(`The relay at ${origin} is profiled for ${seconds} s ...\n`)
  const bytes = await requestProfile(origin, seconds, worker, begun)
  const profile = parseProfile(bytes.toString())
  if (profile === null) throw new ProfileProblem(`what ${origin} has sent is no whole profile`)
  const file = out ?? `thinwire-${new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}.cpuprofile`
  try {
    // One that was there is replaced only where it was named.
    await writeFile(resolve(io.cwd, file), bytes, { flag: out === undefined ? 'wx' : 'w' })
  } catch (error) {
    throw new ProfileProblem(`${file} cannot be written (${readErrorCode(error)}); choose another with --out`)
  }
  io.err.write(`${file} has the profile.\n\n`)
  return { profile, file }
}

async function read(file: string, io: CommandIo): Promise<Taken> {
  let text: string
  try {
    text = await readFile(resolve(io.cwd, file), 'utf8')
  } catch (error) {
    throw new ProfileProblem(`${file} cannot be read (${readErrorCode(error)})`)
  }
  const profile = parseProfile(text)
  if (profile === null) throw new ProfileProblem(`${file} is no .cpuprofile`)
  return { profile, file }
}

/** Finds the relay's metrics listener. @throws {WrongSetting} there is none, or none on loopback */
function findOrigin(config: string | undefined, { env, cwd }: CommandIo): string {
  const { listen, configFile } = locateMetrics({ file: config, env, cwd })
  const where = configFile ?? 'thinwire.json'
  if (listen === null)
    throw new WrongSetting(
      `the relay has no metrics address: set metrics.listen to 127.0.0.1:9464 in ${where}, and start it again`,
    )
  if (!isLoopback(listen.host))
    throw new WrongSetting(
      `metrics.listen is ${formatAddress(listen)}: the relay takes profiles on loopback alone, such as 127.0.0.1:${listen.port}`,
    )
  if (listen.port === 0)
    throw new WrongSetting('metrics.listen has port 0: name the address that the relay has shown with --url')
  return formatOrigin(listen.host, listen.port)
}

function checkUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || url.protocol !== 'http:' || !isLoopback(url.hostname))
    throw new WrongSetting('--url must be the metrics address on this machine, such as http://127.0.0.1:9464')
  return url.origin
}

function refuse({ err }: CommandIo, code: number, why: string): number {
  err.write(`thinwire profile: ${showText(why)}\n`)
  return code
}
