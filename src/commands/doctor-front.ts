import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { runRows } from '../doctor/examination.js'
import { FRONT_ROWS } from '../doctor/failover/before.js'
import { examineFailover, FAILOVER_PACE, type FailoverPace, RelaysDown } from '../doctor/failover/failover.js'
import { buildAskedLever, buildCommandLever, type Lever } from '../doctor/failover/lever.js'
import type { Finding } from '../doctor/finding.js'
import { countOutcomes } from '../doctor/report.js'
import type { Visit } from '../doctor/visit.js'
import { listLedgerNames } from '../ledger/files.js'
import { readEntry } from '../ledger/read/entry.js'
import { readLines } from '../ledger/read/lines.js'

/** The options of `thinwire doctor --front`. */
export interface FrontOptions {
  readonly stop: string | null
  readonly start: string | null
  readonly freeze: string | null
  readonly thaw: string | null
  readonly revokedKey: string | null
  /** The folders of the relays' usage ledger; null if they are not known. */
  readonly ledger: readonly string[] | null
}

/** What the examination of a front writes to, beside its findings. */
export interface FrontIo {
  readonly err: NodeJS.WritableStream & { readonly isTTY?: boolean }
  /** Default: `FAILOVER_PACE`. */
  readonly failoverPace?: FailoverPace
}

/** Finds what is wrong with the options. @returns null if nothing is */
export function findFrontFlaw(
  isFront: boolean,
  { stop, start, freeze, thaw, revokedKey }: Omit<FrontOptions, 'ledger'>,
): string | null {
  const given = [stop, start, freeze, thaw, revokedKey].some((each) => each !== null)
  if (!isFront) return given ? '--stop, --start, --freeze, --thaw and --revoked-key need --front' : null
  if ((stop === null) !== (start === null)) {
    return '--stop and --start go together: what is stopped has to be started again'
  }
  if ((freeze === null) !== (thaw === null)) {
    return '--freeze and --thaw go together: what is frozen has to be thawed again'
  }
  if ([stop, start, freeze, thaw].some((each) => each?.trim() === '')) return 'a command is empty'
  if (revokedKey !== null && !/^[\x21-\x7e]+$/.test(revokedKey))
    return '--revoked-key has blanks, or is empty'
  return null
}

/** Checks a front, and its failover if there is a way to stop the relays. */
export async function examineFront(
  visit: Visit,
  options: FrontOptions,
  io: FrontIo,
  show: (finding: Finding) => void,
): Promise<Finding[]> {
  const findings = await runRows(FRONT_ROWS, visit, show)
  const say = (text: string): void => void io.err.write(text)
  const end = new AbortController()
  const down = new RelaysDown()
  const interruption = listen(end, down, say)
  try {
    findings.push(
      ...(await examineFailover(
        visit,
        {
          ...chooseLevers(options, io.err.isTTY === true, say),
          revokedKey: options.revokedKey,
          readSent: options.ledger === null ? null : createSentReader(options.ledger),
          pace: io.failoverPace ?? FAILOVER_PACE,
          signal: end.signal,
          say,
        },
        down,
        show,
      )),
    )
  } finally {
    interruption.stop()
    if (down.cure !== null) say(`thinwire doctor: the relays may still be down: ${down.cure}\n`)
  }
  if (interruption.signal !== null) {
    const finding: Finding = {
      check: 'doctor',
      outcome: 'failed',
      tried: 'all checks',
      seen: `ended early by ${interruption.signal}`,
      change: [],
    }
    findings.push(finding)
    show(finding)
  }
  return findings
}

/** Reads the tags of the requests that the relays sent to an upstream, from the records since now. */
function createSentReader(folders: readonly string[]): (tag: string) => Promise<ReadonlySet<string>> {
  const firstDay = new Date().toISOString().slice(0, 10)
  return async (tag) => {
    const sent = new Set<string>()
    for (const folder of folders) {
      // The fallback is there only after a fault of the disk.
      const names = listLedgerNames(await readdir(folder).catch(() => []))
      for (const { name } of names.filter(({ day }) => day >= firstDay)) {
        await readLines(join(folder, name), (line) => {
          const entry = line.includes(tag) ? readEntry(line) : null
          if (entry !== null && entry.upstream !== null && entry.tags !== null) sent.add(entry.tags)
        })
      }
    }
    return sent
  }
}

function chooseLevers(
  { stop, start, freeze, thaw }: FrontOptions,
  isTerminal: boolean,
  ask: (text: string) => void,
): { readonly stop: Lever | null; readonly freeze: Lever | null } {
  const frozen = freeze === null || thaw === null ? null : buildCommandLever(freeze, thaw)
  if (stop !== null && start !== null) return { stop: buildCommandLever(stop, start), freeze: frozen }
  return { stop: isTerminal && frozen === null ? buildAskedLever(ask) : null, freeze: frozen }
}

/** npm passes Ctrl-C on to its child, which has got it from the terminal already: it counts as one. */
const SAME_SIGNAL_MS = 750

const SIGNALS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const

interface Interruption {
  readonly signal: string | null
  stop(): void
}

/** The first signal ends the checks and starts the relays again; a second one ends the doctor at once. */
function listen(end: AbortController, down: RelaysDown, say: (text: string) => void): Interruption {
  let first: string | null = null
  let firstAt = 0
  const onSignal = (signal: NodeJS.Signals): void => {
    if (first === null) {
      first = signal
      firstAt = performance.now()
      if (down.cure !== null) say(`${signal}: ending, as soon as the relays are back: ${down.cure}\n`)
      end.abort()
    } else if (performance.now() - firstAt >= SAME_SIGNAL_MS) {
      if (down.cure !== null) say(`thinwire doctor: the relays may still be down: ${down.cure}\n`)
      process.exit(128 + (SIGNALS[signal as keyof typeof SIGNALS] ?? 0))
    }
  }
  const names = Object.keys(SIGNALS) as (keyof typeof SIGNALS)[]
  for (const name of names) process.on(name, onSignal)
  return {
    get signal() {
      return first
    },
    stop() {
      for (const name of names) process.off(name, onSignal)
    },
  }
}

/** Says in one sentence what the findings mean for the front. */
export function describeFrontVerdict(findings: readonly Finding[]): string {
  if (countOutcomes(findings).failed > 0) return 'Do not rely on this front until the failures are fixed.'
  const way = findings.find(({ check }) => check === 'direct way' || check === 'frozen')
  if (way === undefined || way.outcome === 'skipped') return 'Nothing failed, but failover was not tried.'
  return 'Clients go on when the relays are down, and come back to them.'
}
