import { rootCertificates } from 'node:tls'
import { parseArgs } from 'node:util'
import type { ConfigSource } from '../config/config.js'
import { KEY } from '../doctor/api.js'
import { type BaseUrl, formatUrl, readBaseUrl } from '../doctor/base-url.js'
import { examine } from '../doctor/examination.js'
import type { Finding } from '../doctor/finding.js'
import { chooseModels, countLeftOut, examineModels, type ModelFinding } from '../doctor/model-check.js'
import { ModelPrinter } from '../doctor/model-report.js'
import type { FindPlace } from '../doctor/refusal.js'
import { formatJson, formatVerdict, isFine, Printer } from '../doctor/report.js'
import { Visit } from '../doctor/visit.js'
import {
  describeFrontVerdict,
  examineFront,
  type FrontIo,
  type FrontOptions,
  findFrontFlaw,
} from './doctor-front.js'

type Stream = NodeJS.WritableStream & { readonly isTTY?: boolean }

/** What the command reads and writes. */
export interface DoctorIo extends Pick<FrontIo, 'failoverPace'> {
  readonly in: NodeJS.ReadableStream & { readonly isTTY?: boolean }
  readonly out: Stream
  readonly err: Stream
  readonly env: Readonly<Record<string, string | undefined>>
  /** Certificates of the trusted authorities, PEM. Default: the well-known ones. */
  readonly roots?: readonly string[]
  /** The folder of the config. Default: the current one. */
  readonly cwd?: string
}

const FINE = 0
const FAILED = 1
const WRONG_USAGE = 2

const KEY_INPUT_MAX = 64 * 1024
const TIMEOUT_S = 10
/** More models are tried only if they are named: each costs a few answers. */
const MODELS_MAX = 20

const DOCTOR_HELP = `thinwire doctor URL [--key KEY] [--model NAME]... [--cursor] [--all-shapes]
                    [--config FILE] [--idle SECONDS] [--timeout SECONDS]
                    [--json]
thinwire doctor URL --front [--key KEY] [--model NAME] [--revoked-key KEY]
                    [--stop COMMAND --start COMMAND]
                    [--freeze COMMAND --thaw COMMAND] [--config FILE] [--json]
thinwire doctor --offline [--config FILE] [--model NAME]... [--all-shapes]

Checks whether Cursor will work with a base URL, such as
https://your-host/cursor/v1: DNS, TLS, CORS, key, whether streams arrive event
by event, and whether large prompts pass. Each line says what was tried, what
was seen and, after ">", what to change. After a fault that hides the rest, the
rest is not tried.

Then it plays Cursor with each model: a question in Ask mode, and a turn in
Agent mode with tools, whose result it sends back. The provider charges for
three or four short answers of each model. Large prompts are blank and cost
nothing.

  --key KEY        the key to use; - reads it from standard input, so that it is
                   in no list of processes. Default: THINWIRE_KEY
  --model NAME     a model to try; can be given more than once. Default: those
                   in the list of models, twenty at most
  --cursor         play Cursor. Default for a URL that ends in /cursor/v1
  --all-shapes     send each model the agent's bodies of all three APIs.
                   Default: the one that Cursor chooses by the model's name
  --config FILE    the relay's config, to name its upstreams in what to change
  --offline        without URL and key: tries the models of the config in this
                   folder against doubles of their providers, which refuse what
                   these are known to refuse. Nothing leaves this machine
  --idle SECONDS   also test a stream that is silent for this long (only with a
                   Thinwire that has its demo upstream)
  --timeout S      time for all checks but --idle and the models. Default: ${TIMEOUT_S}
  --json           print one JSON object

With --front it checks what stands in front of the relays, and once whether it
goes direct to the provider when all relays are down. For that the relays have
to be down for half a minute or more: by your commands, else it asks at the
terminal. It stops nothing by itself, and always starts again what it stopped,
also after Ctrl-C. It says beforehand how many tiny chats the provider bills.

  --stop COMMAND   stops all relays: "systemctl stop thinwire@1 thinwire@2"
  --start COMMAND  starts them again
  --freeze, --thaw COMMAND
                   freeze all relays (kill -STOP), and let them go on (kill
                   -CONT): they then accept connections and answer nothing
  --revoked-key K  a key that is revoked: it must not go direct
  --config FILE    the config of the relays: their records, if they are on this
                   machine, show whether a chat was sent twice

Exit codes: 0 nothing failed, and where Cursor is played, an agent's turn with a
tool was complete (of each --model, else of at least one model); 1 it is not so;
2 wrong usage.
`

/** `thinwire doctor`: checks whether Cursor and other clients will work with a base URL. Resolves to the exit code. */
export async function runDoctor(args: readonly string[], io: DoctorIo): Promise<number> {
  const given = readArguments(args)
  if (typeof given === 'string') return refuse(io, given)
  if (given.help) {
    io.out.write(DOCTOR_HELP)
    return FINE
  }
  try {
    return given.offline ? await rehearse(given, io) : await visitUrl(given, io)
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'ConfigError') throw error
    return refuse(io, error.message)
  }
}

async function visitUrl(given: Given, io: DoctorIo): Promise<number> {
  const base = readBaseUrl(given.url)
  if (typeof base === 'string') return refuse(io, base)
  const key = given.key === '-' ? await readLine(io.in, io.err) : (given.key ?? io.env.THINWIRE_KEY ?? '')
  if (key === '') {
    return refuse(io, 'a key is needed: --key -, or THINWIRE_KEY (any text if the relay needs no key)')
  }
  // A header can have no other characters.
  if (!/^[\x21-\x7e]+$/.test(key))
    return refuse(io, 'the key has blanks or other characters that a key cannot have')
  const { cursor, models, idleMs, timeoutMs, allShapes } = given
  const visit = new Visit({
    base,
    key,
    models,
    idleMs,
    timeoutMs,
    allShapes,
    cursor: (cursor || base.cursor) && !given.front,
    modelsMax: MODELS_MAX,
    roots: io.roots ?? rootCertificates,
    findPlace: given.config === null ? () => null : await loadPlaces(given.config, io),
    findLearned: () => null,
  })
  if (given.front) {
    const ledger = given.config === null ? null : await locateRecords(given.config, io)
    const options = { ...given.frontOptions, ledger }
    const title = `thinwire doctor ${formatUrl(base)} --front\n\n`
    return report(visit, given, io, title, (show) => examineFront(visit, options, io, show))
  }
  return report(visit, given, io, `thinwire doctor ${formatUrl(base)}\n\n`, (show) => examine(visit, show))
}

/** Plays Cursor with a relay of this process. */
async function rehearse(given: Given, io: DoctorIo): Promise<number> {
  // The relay's own code: only this needs it.
  const [{ loadConfigWithoutSecrets }, { startRehearsal }, { createPlaceFinder }] = await Promise.all([
    import('../config/config.js'),
    import('./doctor-offline.js'),
    import('./doctor-place.js'),
  ])
  const config = loadConfigWithoutSecrets(locateConfig(given.config, io))
  const rehearsal = await startRehearsal(config)
  try {
    const base = readBaseUrl(rehearsal.url) as BaseUrl
    const findPlace = createPlaceFinder(config)
    const { models, timeoutMs, allShapes } = given
    const visit = new Visit({
      base,
      key: 'key-of-thinwire-doctor',
      models,
      timeoutMs,
      allShapes,
      findPlace,
      cursor: true,
      modelsMax: Number.POSITIVE_INFINITY,
      idleMs: 0,
      roots: [],
      findLearned(model) {
        const place = findPlace(model)
        return place === null ? null : (rehearsal.learned.get(`${place.upstream}/${place.model}`) ?? null)
      },
    })
    visit.thinwire = true
    const title = `thinwire doctor --offline (${config.file ?? 'without a config file'})\n`
    return await report(visit, given, io, title, async () => {
      await KEY.run(visit)
      return []
    })
  } finally {
    await rehearsal.close()
  }
}

/** Runs the checks, and then the models, and prints what they find. Resolves to the exit code. */
async function report(
  visit: Visit,
  given: Given,
  io: DoctorIo,
  title: string,
  check: (show: (finding: Finding) => void) => Promise<Finding[]>,
): Promise<number> {
  // The reader may stop early: `| head`.
  io.out.on('error', () => {})
  const startedAt = performance.now()
  const colours = io.out.isTTY === true && (io.env.NO_COLOR ?? '') === ''
  const write = given.json ? () => {} : (text: string) => void io.out.write(text)
  const printer = new Printer(write, colours)
  write(title)
  const findings = await check((finding) => printer.show(finding))
  printer.end()
  const models = visit.cursor && canPlay(visit) ? await playCursor(visit, write, colours) : null
  const outcome = {
    findings,
    models,
    elapsedMs: performance.now() - startedAt,
    ...(given.front ? { verdict: describeFrontVerdict(findings) } : {}),
  }
  io.out.write((given.json ? formatJson : formatVerdict)(visit, outcome))
  return isFine(visit, outcome) ? FINE : FAILED
}

/** Nothing of what a request of the agent needs is known to be missing. */
function canPlay({ missing }: Visit): boolean {
  return ![...missing.keys()].some((need) => need !== 'model' && need !== 'size')
}

async function playCursor(
  visit: Visit,
  write: (text: string) => void,
  colours: boolean,
): Promise<ModelFinding[]> {
  const models = chooseModels(visit)
  const printer = new ModelPrinter(write, colours, { models, allShapes: visit.allShapes })
  if (models.length > 0) printer.begin()
  const found = await examineModels(visit, models, (finding) => printer.show(finding))
  const leftOut = countLeftOut(visit)
  if (leftOut > 0) write(` ${leftOut} more in the list: --model NAME tries one.\n`)
  return found
}

async function loadPlaces(file: string, io: DoctorIo): Promise<FindPlace> {
  const [{ loadDestinations }, { createPlaceFinder }] = await Promise.all([
    import('../config/config.js'),
    import('./doctor-place.js'),
  ])
  return createPlaceFinder(loadDestinations(locateConfig(file, io)))
}

async function locateRecords(file: string, io: DoctorIo): Promise<readonly string[]> {
  const { locateLedger } = await import('../config/config.js')
  return locateLedger(locateConfig(file, io))
}

function locateConfig(file: string | null, io: DoctorIo): ConfigSource {
  return { ...(file === null ? {} : { file }), env: io.env, cwd: io.cwd ?? process.cwd() }
}

interface Given {
  readonly url: string
  readonly key: string | null
  readonly models: readonly string[]
  readonly cursor: boolean
  readonly allShapes: boolean
  readonly offline: boolean
  readonly front: boolean
  readonly frontOptions: Omit<FrontOptions, 'ledger'>
  readonly config: string | null
  readonly json: boolean
  readonly help: boolean
  readonly idleMs: number
  readonly timeoutMs: number
}

/** @returns a line that says what is wrong. It repeats no argument, which may be a key */
function readArguments(args: readonly string[]): Given | string {
  const options = {
    key: { type: 'string' },
    model: { type: 'string', multiple: true },
    cursor: { type: 'boolean' },
    'all-shapes': { type: 'boolean' },
    offline: { type: 'boolean' },
    front: { type: 'boolean' },
    stop: { type: 'string' },
    start: { type: 'string' },
    freeze: { type: 'string' },
    thaw: { type: 'string' },
    'revoked-key': { type: 'string' },
    config: { type: 'string' },
    json: { type: 'boolean' },
    idle: { type: 'string' },
    timeout: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  } as const
  let parsed: ReturnType<typeof parseArgs<{ options: typeof options; allowPositionals: true }>>
  try {
    parsed = parseArgs({ args: [...args], options, allowPositionals: true })
  } catch {
    return `unknown option, or its value is missing; the options are ${Object.keys(options)
      .map((name) => `--${name}`)
      .join(', ')}`
  }
  const { values, positionals } = parsed
  const help = values.help === true
  const offline = values.offline === true
  const front = values.front === true
  const frontOptions = {
    stop: values.stop ?? null,
    start: values.start ?? null,
    freeze: values.freeze ?? null,
    thaw: values.thaw ?? null,
    revokedKey: values['revoked-key'] ?? null,
  }
  const flaw = findFrontFlaw(front, frontOptions)
  if (!help && flaw !== null) return flaw
  if (!help && front && (offline || values.cursor === true))
    return '--front goes with neither --offline nor --cursor'
  const [url, second] = positionals
  if (!help && offline && url !== undefined) return '--offline takes no URL: it starts a relay by itself'
  if (!help && !offline && (url === undefined || second !== undefined)) {
    return 'give one base URL: thinwire doctor https://your-host/v1 --key -'
  }
  const idle = readSeconds(values.idle ?? '0', 0, 3_600)
  const timeout = readSeconds(values.timeout ?? String(TIMEOUT_S), 1, 600)
  if (idle === null) return '--idle takes seconds, from 1 to 3600'
  if (timeout === null) return '--timeout takes seconds, from 1 to 600'
  return {
    url: url ?? '',
    key: values.key ?? null,
    models: values.model ?? [],
    cursor: values.cursor === true,
    allShapes: values['all-shapes'] === true,
    offline,
    front,
    frontOptions,
    config: values.config ?? null,
    json: values.json === true,
    help,
    idleMs: idle * 1000,
    timeoutMs: timeout * 1000,
  }
}

function readSeconds(text: string, least: number, most: number): number | null {
  const value = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN
  return value >= least && value <= most ? value : null
}

/** Reads the first line and trims it. */
async function readLine(stream: DoctorIo['in'], err: Stream): Promise<string> {
  let text = ''
  // A person would not know that the program waits for input.
  if (stream.isTTY === true) err.write('Key: ')
  for await (const chunk of stream) {
    text += String(chunk)
    if (text.includes('\n') || text.length > KEY_INPUT_MAX) break
  }
  return (text.split('\n', 1)[0] ?? '').trim()
}

function refuse(io: DoctorIo, why: string): number {
  io.err.write(`thinwire doctor: ${why}\n`)
  return WRONG_USAGE
}
