import { rootCertificates } from 'node:tls'
import { parseArgs } from 'node:util'
import { formatUrl, readBaseUrl } from '../doctor/base-url.js'
import { examine } from '../doctor/examination.js'
import { countOutcomes, formatJson, formatVerdict, Printer } from '../doctor/report.js'
import { Visit } from '../doctor/visit.js'

type Stream = NodeJS.WritableStream & { readonly isTTY?: boolean }

export interface DoctorIo {
  readonly in: NodeJS.ReadableStream & { readonly isTTY?: boolean }
  readonly out: Stream
  readonly err: Stream
  readonly env: Readonly<Record<string, string | undefined>>
  /** Certificates of the authorities that are trusted, PEM, in place of the well-known ones. */
  readonly roots?: readonly string[]
}

const FINE = 0
const FAILED = 1
const WRONG_USAGE = 2

const LONGEST_KEY_INPUT = 64 * 1024
const TIMEOUT_S = 10

const DOCTOR_HELP = `thinwire doctor URL [--key KEY] [--model NAME] [--cursor] [--idle SECONDS]
                    [--timeout SECONDS] [--json]

Tells in some ten seconds whether Cursor will work with a base URL, such as
https://your-host/v1: name, TLS, CORS, key, answers, whether streams come piece
by piece, and what large prompts meet. Each line says what was tried, what was
seen and, after ">", what to change. A few short answers of the model are paid
for; the large prompts are blank, and no model answers them.

  --key KEY        the key that Cursor is given; - reads it from standard input,
                   so that it is in no list of processes. Else THINWIRE_KEY
  --model NAME     ask this model, and not one of those that are listed
  --cursor         try all the bodies that Cursor sends, as is done for a URL
                   that ends in /cursor/v1
  --idle SECONDS   also hold a stream that is silent for so long (by a Thinwire
                   that has its demo upstream)
  --timeout S      for all of it but that; else ${TIMEOUT_S}
  --json           one JSON object

Exit codes: 0 nothing failed, 1 something did, 2 wrong usage.
`

/** `thinwire doctor`: whether clients, and Cursor first of all, will work with a base URL. Resolves to the exit code. */
export async function runDoctor(args: readonly string[], io: DoctorIo): Promise<number> {
  const given = read(args)
  if (typeof given === 'string') return wrong(io, given)
  if (given.help) {
    io.out.write(DOCTOR_HELP)
    return FINE
  }
  const base = readBaseUrl(given.url)
  if (typeof base === 'string') return wrong(io, base)
  const key = given.key === '-' ? await readLine(io.in, io.err) : (given.key ?? io.env.THINWIRE_KEY ?? '')
  if (key === '') {
    return wrong(
      io,
      'it needs the key that Cursor is given: --key -, or THINWIRE_KEY; any text where none is asked',
    )
  }
  // A header cannot have anything else.
  if (!/^[\x21-\x7e]+$/.test(key)) return wrong(io, 'the key has blanks or other characters that no key has')

  // Whoever reads may have seen enough: `| head`.
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

/** @returns what is wrong, in one line and without any argument's text, which may be a key */
function read(args: readonly string[]): Given | string {
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
    return `that is no option, or lacks its value; it has ${Object.keys(options)
      .map((name) => `--${name}`)
      .join(', ')}`
  }
  const { values, positionals } = parsed
  const help = values.help === true
  const [url, second] = positionals
  if (!help && (url === undefined || second !== undefined)) {
    return 'it takes one base URL: thinwire doctor https://your-host/v1 --key -'
  }
  const idle = secondsOf(values.idle ?? '0', 0, 3_600)
  const timeout = secondsOf(values.timeout ?? String(TIMEOUT_S), 1, 600)
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

function secondsOf(text: string, least: number, most: number): number | null {
  const value = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN
  return value >= least && value <= most ? value : null
}

/** The first line, without blanks around it. */
async function readLine(stream: DoctorIo['in'], err: Stream): Promise<string> {
  let text = ''
  // Whoever types it in would wait for something to happen.
  if (stream.isTTY === true) err.write('Key: ')
  for await (const piece of stream) {
    text += String(piece)
    if (text.includes('\n') || text.length > LONGEST_KEY_INPUT) break
  }
  return (text.split('\n', 1)[0] ?? '').trim()
}

function wrong(io: DoctorIo, why: string): number {
  io.err.write(`thinwire doctor: ${why}\n`)
  return WRONG_USAGE
}
