import { randomBytes } from 'node:crypto'
import { VERSION } from '../../version.js'
import { runRows } from '../examination.js'
import { type Finding, fail, pass, type Seen, skip } from '../finding.js'
import { formatSeconds, send } from '../http-request.js'
import { cleanText } from '../quote.js'
import type { Visit } from '../visit.js'
import { buildDirectBase } from './before.js'
import type { Lever } from './lever.js'
import { type Probe, type ProbePace, Prober, type ProbeTarget } from './probe.js'
import * as judge from './switching.js'
import { isPast, type Switching } from './switching.js'
import { DirectVisit, listDirectRows } from './while-direct.js'

/** How long the phases of an examination may take. */
export interface FailoverPace extends ProbePace {
  /** After the command has ended: for the front to go direct. */
  readonly directMaxMs: number
  /** After the command has ended: for a relay to answer again. */
  readonly backMaxMs: number
  /** For the operator, when no command is given. */
  readonly askedMaxMs: number
  /** For the last requests of a phase. */
  readonly graceMs: number
}

/** Three lists a second: enough to measure a switch, and far below any limit. */
export const FAILOVER_PACE: FailoverPace = {
  listEveryMs: 300,
  chatEveryMs: 1_000,
  timeoutMs: 30_000,
  patienceMs: 8_000,
  directMaxMs: 20_000,
  backMaxMs: 60_000,
  askedMaxMs: 120_000,
  graceMs: 3_000,
}

/** Chats in each phase; the last ones are kept until the front has gone direct. */
const CHATS = 8
const CHATS_KEPT = 2

/** Responses in a row by which a phase is settled. */
const SETTLED_BY = 3

/** How to examine failover. */
export interface FailoverOptions {
  /** Stops the relays and starts them again; null: this is not tried. */
  readonly stop: Lever | null
  /** Freezes the relays and thaws them; null: this is not tried. */
  readonly freeze: Lever | null
  readonly revokedKey: string | null
  /**
   * Reads from the relays' records the tags of the requests that they sent to an upstream, of those that begin so. Null
   * if the records are not known here.
   */
  readonly readSent: ((tag: string) => Promise<ReadonlySet<string>>) | null
  readonly pace: FailoverPace
  /** Ends the examination: nothing more is tried, and the relays are started again. */
  readonly signal: AbortSignal
  /** Shows what happens next. */
  readonly say: (text: string) => void
}

/** What stays to be done to have the relays back, for a doctor that has to end at once. */
export class RelaysDown {
  /** The command, or what the operator has to do. Null: the relays are as they were. */
  cure: string | null = null
}

/** Whether failover was tried at all. @returns why it cannot be tried; null if it can */
function findObstacle(visit: Visit, { stop, freeze }: FailoverOptions): string | null {
  for (const need of ['address', 'connection', 'relay', 'path', 'trust', 'key', 'model'] as const) {
    const why = visit.missing.get(need)
    if (why !== undefined) return why
  }
  if (visit.fault !== null) return visit.fault.why
  return stop === null && freeze === null
    ? 'the relays have to be down for it: --stop COMMAND and --start COMMAND, or a terminal'
    : null
}

/**
 * Checks once whether a front goes direct when its relays are down, and comes back. It stops nothing but by the levers,
 * and starts again whatever they have stopped: when a check throws and when the signal comes, too.
 * @param visit one whose checks have found the relay, the key and a model
 * @param down is kept up to date
 */
export async function examineFailover(
  visit: Visit,
  options: FailoverOptions,
  down: RelaysDown,
  show: (finding: Finding) => void,
): Promise<Finding[]> {
  const examination = new FailoverExamination(visit, options, down, show)
  await examination.run()
  return examination.findings
}

class FailoverExamination {
  readonly findings: Finding[] = []
  private readonly visit: Visit
  private readonly options: FailoverOptions
  private readonly relaysDown: RelaysDown
  private readonly onFinding: (finding: Finding) => void
  private readonly target: ProbeTarget
  private readonly runTag: string
  /** There was a direct way when the relays were down. */
  private hadDirect = false
  /** Probes that went direct, with the clock's time: for the books. */
  private direct = { count: 0, firstAt: 0, lastAt: 0 }

  constructor(
    visit: Visit,
    options: FailoverOptions,
    relaysDown: RelaysDown,
    onFinding: (finding: Finding) => void,
  ) {
    this.visit = visit
    this.options = options
    this.relaysDown = relaysDown
    this.onFinding = onFinding
    // Another examination may be in the same records.
    this.runTag = `doctor=${randomBytes(6).toString('hex')}`
    this.target = createTarget(visit, this.runTag)
  }

  async run(): Promise<void> {
    const { stop, freeze, say, signal } = this.options
    const obstacle = findObstacle(this.visit, this.options) ?? (await this.findUnhealthy())
    if (obstacle !== null) {
      this.show('failover', 'the direct way, and the way back', skip(obstacle))
      return
    }
    const phases = 2 * Number(stop !== null) + 2 * Number(freeze !== null)
    say(`${judge.describeCost(phases, CHATS, stop === null ? 0 : 2)}\n`)
    if (stop !== null) {
      const switching = await this.takeDown(stop, () => this.examineStopped(stop))
      await this.compareBooks('sent twice', 'POSTs while the relays stopped', switching, false)
    }
    if (freeze !== null && !signal.aborted && this.relaysDown.cure === null) {
      const switching = await this.takeDown(freeze, () => this.examineFrozen(freeze))
      await this.compareBooks('frozen POST', 'POSTs to a frozen relay', switching, true)
    }
    this.tellBooks()
  }

  /** Whether a relay answers both kinds of requests now. @returns why nothing can be measured; null if it can */
  private async findUnhealthy(): Promise<string | null> {
    const prober = new Prober(this.target, { ...this.options.pace, listEveryMs: 60_000 }, 1)
    prober.start(() => true)
    await prober.stop(this.options.pace.timeoutMs)
    for (const { kind, by, fate, text } of prober.probes) {
      const what = `${kind === 'list' ? 'GET' : 'POST'} ${text}`
      if (by === 'direct') return `the front is direct already: start the relays first (${what})`
      if (by !== 'relay') return `no relay answers now, or the front removes its server-timing (${what})`
      if (fate !== 'answered') return `a relay answers, but ${what}: try another model or key`
    }
    return null
  }

  /** Takes the relays down, and brings them back whatever happens. */
  private async takeDown(lever: Lever, examine: () => Promise<Switching>): Promise<Switching> {
    try {
      this.relaysDown.cure = lever.upText
      return await examine()
    } finally {
      await this.bringBack(lever)
    }
  }

  private async examineStopped(lever: Lever): Promise<Switching> {
    const { visit } = this
    const { front } = visit
    this.announce(lever, lever.downText)
    const switching = await this.observe(lever, 'down')
    const { probes } = switching
    this.hadDirect = probes.some(isPast)
    const tried = lever.isAsked ? 'with the relays stopped by hand' : 'with the relays stopped'
    const way = judge.judgeDirectWay(switching, lever.isAsked)
    this.show('direct way', `GET and POST, ${tried}`, way)
    this.show('switch over', 'requests while the relays stopped', judge.judgeSwitchOver(switching, front))
    if (!this.hadDirect) return switching
    this.show('own errors', "the front's own errors", judge.judgeOwnErrors(probes, front))
    await this.examineDirect(way)
    return switching
  }

  /** Whether a POST that was answered direct was sent by a relay, too: as their records have it, if they are known. */
  private async compareBooks(
    check: string,
    tried: string,
    switching: Switching,
    isFrozen: boolean,
  ): Promise<void> {
    const { pace, readSent } = this.options
    if (!switching.probes.some(isPast)) return
    let sent: ReadonlySet<string> | null = null
    if (readSent !== null) {
      // A relay writes a record soon after the request has ended.
      await new Promise((resolve) => setTimeout(resolve, pace.graceMs))
      sent = await readSent(this.runTag).catch(() => null)
    }
    // Records without a chat that a relay has answered are those of another relay.
    const isWhole = switching.probes.every(({ by, tag }) => by !== 'relay' || tag === '' || sent?.has(tag))
    const seen = judge.judgeSentTwice(switching, isFrozen, isWhole ? sent : null, this.visit.front)
    this.show(check, tried, seen)
  }

  private async examineDirect(way: Seen): Promise<void> {
    const { base, key, model, timeoutMs, roots, trusted, listed, front } = this.visit
    const visit = new DirectVisit({
      base: buildDirectBase(base),
      key,
      models: model === null ? [] : [model],
      modelsMax: 1,
      cursor: false,
      allShapes: false,
      findPlace: () => null,
      findLearned: () => null,
      // Every check has its own time here; the relays are down, so it cannot be long.
      timeoutMs: 4 * timeoutMs,
      idleMs: 0,
      roots,
      signal: this.options.signal,
    })
    visit.trusted = trusted
    visit.front = front
    visit.revokedKey = this.options.revokedKey
    visit.relayModels = listed
    if (way.outcome === 'failed') visit.missing.set('key', 'it needs a direct way that takes the key')
    else await visit.readModels()
    for (const row of listDirectRows(visit)) {
      if (this.options.signal.aborted) return
      await runRows([row], visit, (finding) => this.keep(finding))
    }
    for (const { headAt } of visit.responses) this.countDirect(headAt)
  }

  private async examineFrozen(lever: Lever): Promise<Switching> {
    const { front } = this.visit
    this.announce(lever, lever.downText)
    const switching = await this.observe(lever, 'down')
    this.hadDirect = switching.probes.some(isPast)
    const seen = judge.judgeFrozen(switching, lever.isAsked, front)
    this.show('frozen', 'requests while the relays were frozen', seen)
    return switching
  }

  private async bringBack(lever: Lever): Promise<void> {
    this.announce(lever, lever.upText)
    const back = await this.observe(lever, 'up')
    const seen = judge.judgeSwitchBack(back, lever.isAsked, this.hadDirect, this.visit.front)
    if (back.isSettled) this.relaysDown.cure = null
    this.show('switch back', `requests after: ${cleanText(lever.upText, this.visit.key)}`, seen)
    const state = back.isSettled
      ? pass('they answer, as before')
      : fail('THEY DO NOT ANSWER, AS FAR AS THE DOCTOR SEES', `look at them now: ${lever.upText}`)
    this.show('relays', 'state at the end', state)
  }

  private announce(lever: Lever, text: string): void {
    if (!lever.isAsked) this.options.say(`Running: ${cleanText(text, this.visit.key)}\n`)
  }

  /** Moves a lever while requests are sent, until the way that is expected answers, or the time is over. */
  private async observe(lever: Lever, way: 'down' | 'up'): Promise<Switching> {
    const { pace, signal } = this.options
    const prober = new Prober(this.target, pace, CHATS)
    const isReached = way === 'down' ? isPast : ({ by, fate }: Probe) => by === 'relay' && fate === 'answered'
    const isNear = (): boolean => prober.last('list', 1).some(isReached)
    // By hand it may take two minutes, in which chats would only cost money.
    const begins = (): boolean =>
      !lever.isAsked || prober.last('list', 5).some((probe) => hasChanged(probe, way))
    prober.start((left) => (left > CHATS_KEPT && begins()) || isNear())
    const isSettled = (): boolean => {
      const [lists, [chat]] = [prober.last('list', SETTLED_BY), prober.last('chat', 1)]
      return lists.length === SETTLED_BY && lists.every(isReached) && chat !== undefined && isReached(chat)
    }
    const end = way === 'down' ? signal : new AbortController().signal
    let commandFault: string | null = null
    let settled = false
    try {
      commandFault = await (way === 'down' ? lever.down(signal) : lever.up())
      const limitMs = lever.isAsked ? pace.askedMaxMs : way === 'down' ? pace.directMaxMs : pace.backMaxMs
      await waitUntil(isSettled, limitMs, end)
      // Before the last requests, some of which are given up.
      settled = isSettled()
    } finally {
      await prober.stop(pace.graceMs)
    }
    const probes = [...prober.probes].sort((a, b) => a.sentMs - b.sentMs)
    for (const probe of probes) {
      if (probe.by === 'direct') this.countDirect(Date.now() - (performance.now() - probe.endMs))
    }
    return { probes, isSettled: settled, commandFault }
  }

  private countDirect(at: number): void {
    const { count, firstAt, lastAt } = this.direct
    this.direct = {
      count: count + 1,
      firstAt: count === 0 ? at : Math.min(firstAt, at),
      lastAt: Math.max(lastAt, at),
    }
  }

  private tellBooks(): void {
    const { count, firstAt, lastAt } = this.direct
    if (count === 0) return
    const span = `from ${new Date(firstAt).toISOString()} for ${formatSeconds(lastAt - firstAt)}`
    this.show('books', 'requests of the doctor that went direct', {
      ...pass(`${count}, ${span}: they are in the front's log, and in no record of a relay`),
      change: ["thinwire usage import-direct FILE, with the front's log, brings them into the books"],
    })
  }

  private show(check: string, tried: string, seen: Seen): void {
    this.keep({ check, tried, ...seen })
  }

  private keep(finding: Finding): void {
    this.findings.push(finding)
    this.onFinding(finding)
  }
}

function hasChanged({ by }: Probe, way: 'down' | 'up'): boolean {
  return way === 'down' ? by !== 'relay' : by === 'relay'
}

/** @param run the beginning of all tags */
function createTarget(visit: Visit, run: string): ProbeTarget {
  let count = 0
  const { key, roots, trusted, authorization } = visit
  return {
    base: buildDirectBase(visit.base),
    key,
    model: visit.model ?? '',
    createTag: () => `${run}-${++count}`,
    send: (method, url, body, tag, timeoutMs, signal) =>
      send({
        method,
        url,
        headers: {
          'user-agent': `thinwire-doctor/${VERSION}`,
          ...authorization,
          ...(body === null ? {} : { 'content-type': 'application/json', 'x-thinwire-tags': tag }),
        },
        body: body === null ? null : Buffer.from(body),
        timeoutMs,
        roots: trusted ? roots : null,
        signal,
      }),
  }
}

const POLL_MS = 20

/** Waits for a condition. Ends also after a time, and when the signal comes. */
async function waitUntil(isMet: () => boolean, limitMs: number, signal: AbortSignal): Promise<void> {
  const endMs = performance.now() + limitMs
  while (!signal.aborted && performance.now() < endMs && !isMet()) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}
