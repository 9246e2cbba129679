import { rootCertificates } from 'node:tls'
import { parseArgs } from 'node:util'
import { formatUrl, readBaseUrl } from '../doctor/base-url.js'
import { examine } from '../doctor/examination.js'
import { countOutcomes, formatJson, formatVerdict, Printer } from '../doctor/report.js'
import { Visit } from '../doctor/visit.js'

type Stream = NodeJS.WritableStream & { readonly isTTY?: boolean }

/** What the command reads and writes. */
export interface DoctorIo {
  readonly in: NodeJS.ReadableStream & { readonly isTTY?: boolean }
  readonly out: Stream
  readonly err: Stream
  readonly env: Readonly<Record<string, string | undefined>>
  /** Certificates of the trusted authorities, PEM. Default: the well-known ones. */
  readonly roots?: readonly string[]
}

const FINE = 0
const FAILED = 1
const WRONG_USAGE = 2

const KEY_INPUT_MAX = 64 * 1024
const TIMEOUT_S = 10

const DOCTOR_HELP = `thinwire doctor URL [--key KEY] [--model NAME] [--cursor] [--idle SECONDS]
                    [--timeout SECONDS] [--json]

Checks in about ten seconds whether Cursor will work with a base URL, such as
https://your-host/v1: DNS, TLS, CORS, key, responses, whether streams arrive
event by event, and whether large prompts pass. Each line says what was tried,
what was seen and, after ">", what to change. The provider charges for a few
short answers of the model. The large prompts are blank and cost nothing.

  --key KEY        the key to use; - reads it from standard input, so that it is
                   in no list of processes. Default: THINWIRE_KEY
  --model NAME     the model to use. Default: one of the listed models
  --cursor         try all the bodies that Cursor sends. Default for a URL that
                   ends in /cursor/v1
  --idle SECONDS   also test a stream that is silent for this long (only with a
                   Thinwire that has its demo upstream)
  --timeout S      time for all checks but --idle. Default: ${TIMEOUT_S}
  --json           print one JSON object

Exit codes: 0 nothing failed, 1 something failed, 2 wrong usage.
`

/** `thinwire doctor`: checks whether Cursor and other clients will work with a base URL. Resolves to the exit code. */
export async function runDoctor(args: readonly string[], io: DoctorIo): Promise<number> {
  const given = readArguments(args)
  if (typeof given === 'string') return refuse(io, given)
  if (given.help) {
    io.out.write(DOCTOR_HELP)
    return FINE
  }
  const base = readBaseUrl(given.url)
  if (typeof base === 'string') return refuse(io, base)
  const key = given.key === '-' ? await readLine(io.in, io.err) : (given.key ?? io.env.THINWIRE_KEY ?? '')
  if (key === '') {
    return refuse(io, 'a key is needed: --key -, or THINWIRE_KEY (any text if the relay needs no key)')
  }
  // A header can have no other characters.
  if (!/^[\x21-\x7e]+$/.test(key))
    return refuse(io, 'the key has blanks or other characters that a key cannot have')

  // The reader may stop early: `| head`.
  io.out.on('error', () => {})
  const startedAt = performance.now()
  const visit = new Visit({
    base,
    key,
    model: given.model,
    cursor: given.cursor || base.cursor,
    idleMs: given.idleMs,
    timeoutMs: given.timeoutMs,
    roots: io.roots ?? rootCertificates,
  })
  const colours = io.out.isTTY === true && (io.env.NO_COLOR ?? '') === ''
  const printer = new Printer((text) => io.out.write(text), colours)
  if (!given.json) io.out.write(`thinwire doctor ${formatUrl(base)}\n\n`)
  const findings = await examine(visit, given.json ? () => {} : (finding) => printer.show(finding))
  printer.end()
  const elapsedMs = performance.now() - startedAt
  io.out.write((given.json ? formatJson : formatVerdict)(visit, findings, elapsedMs))
  return countOutcomes(findings).failed > 0 ? FAILED : FINE
}

interface Given {
  readonly url: string
  readonly key: string | null
  readonly model: string | null
  readonly cursor: boolean
  readonly json: boolean
  readonly help: boolean
  readonly idleMs: number
  readonly timeoutMs: number
}

/** @returns a line that says what is wrong. It repeats no argument, which may be a key */
function readArguments(args: readonly string[]): Given | string {
  const options = {
    key: { type: 'string' },
    model: { type: 'string' },
    cursor: { type: 'boolean' },
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
  const [url, second] = positionals
  if (!help && (url === undefined || second !== undefined)) {
    return 'give one base URL: thinwire doctor https://your-host/v1 --key -'
  }
  const idle = readSeconds(values.idle ?? '0', 0, 3_600)
  const timeout = readSeconds(values.timeout ?? String(TIMEOUT_S), 1, 600)
  if (idle === null) return '--idle takes seconds, from 1 to 3600'
  if (timeout === null) return '--timeout takes seconds, from 1 to 600'
  return {
    url: url ?? '',
    key: values.key ?? null,
    model: values.model ?? null,
    cursor: values.cursor === true,
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
