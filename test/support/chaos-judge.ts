import {
  type ChaosClients,
  isStormy,
  type Kind,
  type Sent,
  TARGETS,
  WITHOUT_FAILOVER,
} from './chaos-clients.js'
import {
  answerFor,
  BREAKING,
  BUSY,
  CUTTING,
  errorFor,
  FAILING_200,
  GOOD,
  type Mood,
  type MoodyUpstream,
  NUMBER,
  REFUSING,
} from './moody.js'
import type { LogLine } from './relay.js'

/** Compares what the clients got, what the upstreams were asked, and what the records say. */
export class ChaosJudge {
  readonly problems: string[] = []
  private readonly clients: ChaosClients
  private readonly upstreams: ReadonlyMap<string, MoodyUpstream>

  constructor(clients: ChaosClients, upstreams: readonly MoodyUpstream[]) {
    this.clients = clients
    this.upstreams = new Map(upstreams.map((upstream) => [upstream.name, upstream]))
  }

  /** Checks all requests after they have ended. */
  inspect(told: readonly LogLine[]): void {
    const records = new Map(told.map((record) => [String(record.trace_id), record]))
    if (records.size !== told.length) this.problems.push('some have more than one record')
    const groups = new Map<number, Sent[]>()
    for (const sent of this.clients.sent) {
      groups.set(sent.number, [...(groups.get(sent.number) ?? []), sent])
      const record = records.get(sent.trace)
      const problem = record === undefined ? this.checkUnknown(sent) : this.check(sent, record)
      if (problem !== null) this.tell(sent, record, problem)
    }
    for (const group of groups.values()) {
      const theirs = told.filter(({ trace_id }) => group.some(({ trace }) => trace === trace_id))
      const problem = this.checkCount(group, theirs)
      if (problem !== null) for (const sent of group) this.tell(sent, records.get(sent.trace), problem)
    }
    for (const server of new Set([...this.upstreams.values()].map((upstream) => upstream.server))) {
      for (const request of server.requests) {
        const sent = groups.get(Number(request.header(NUMBER)))?.[0]
        if (sent === undefined || !request.body.equals(sent.body))
          this.problems.push(`an upstream got another body for ${sent?.kind} ${sent?.number}`)
      }
    }
  }

  /** A client that left before its head had arrived made no request. */
  private checkUnknown({ leaves }: Sent): string | null {
    return leaves === null ? 'it has no record' : null
  }

  /** How many upstreams got the whole request, and may have acted on it. */
  private countWhole({ number, kind }: Sent): number {
    let count = 0
    for (const server of new Set([...this.upstreams.values()].map((upstream) => upstream.server)))
      for (const request of server.requests) {
        if (Number(request.header(NUMBER)) !== number) continue
        const name = /sk-(\w)-/.exec(request.header('authorization') ?? '')?.[1]
        const [upstream] = [...this.upstreams.values()].filter(
          (each) => each.server === server && (name === undefined || each.name === name),
        )
        if (!isRefusing((upstream as MoodyUpstream).moodFor(number), kind, name !== undefined)) count++
      }
    return count
  }

  /** What could have served a request that failed, as no upstream had acted on it before. */
  private findUnasked(sent: Sent, failures: readonly string[]): readonly string[] {
    const { kind, number } = sent
    // The upstream may have acted on a request that was lost with its connection, whatever it would have answered.
    if (failures.some((failure) => isStormy(nameOf(failure)) && /_RESET|_CLOSED|ECONN|EPIPE/.test(failure)))
      return []
    const failed = new Set(failures.map(nameOf))
    // A request that was lost on a connection that was reset has not come, and may have.
    const wasAsked = (name: string): boolean =>
      failed.has(name) || this.upstreams.get(name)?.asked.has(number) === true
    const asked = TARGETS[kind].filter(wasAsked)
    if (!asked.every((name) => isRefusing(this.moodOf(name, sent), kind, isKey(name)))) return []
    // One that is busy leaves the request to another key, and not to another upstream.
    const onlyKeys = asked.some((name) => BUSY.has(this.moodOf(name, sent)))
    return TARGETS[kind].filter(
      (name) => !wasAsked(name) && GOOD.has(this.moodOf(name, sent)) && (!onlyKeys || isKey(name)),
    )
  }

  /** Compares the client's response with the record. @returns what is wrong, or null */
  private check(sent: Sent, record: LogLine): string | null {
    const { got, kind } = sent
    const targets: readonly string[] = TARGETS[kind]
    const isOnce = WITHOUT_FAILOVER.has(kind)
    const { failed_attempts, upstream, status, end, cache } = record
    if (this.clients.endless.includes(sent)) return 'its client got no end'
    if (end === 'crashed') return 'it met a fault'
    const failures = failed_attempts === null ? [] : String(failed_attempts).split(', ')
    // What an upstream did not get whole, it has not acted on.
    if (isOnce && this.countWhole(sent) > 1) return 'it was sent twice'
    for (const failure of failures) {
      const name = nameOf(failure)
      if (
        this.upstreams.has(name) &&
        !isStormy(name) &&
        GOOD.has(this.moodOf(name, sent)) &&
        !isLate(failure)
      )
        return `${name} was healthy`
    }
    if (got === null) return sent.leaves === null ? 'its client has got nothing' : null
    const text = got.body.toString()
    if (got.complete && (got.status !== status || end === 'client_gone'))
      return sent.leaves === null ? 'the record says another end' : null
    const from = /"from":"(\w)"/.exec(text)?.[1] ?? null
    if (from !== null && from !== upstream && !(isKey(from) && upstream === 'key') && cache === null)
      return `it is from ${from}`
    if (got.status === 200 && from !== null) {
      const mood = this.moodOf(from, sent)
      const whole = answerFor(from, sent.number, mood)
      if (got.complete ? text !== whole : !whole.startsWith(text))
        return 'its bytes are not those of one response'
      const isAlone = kind !== 'storm' && kind !== 'shared'
      if (isAlone && !failures.some(isLate) && !this.wasLast(from, sent))
        return `it was sent again after the response of ${from}`
      if (got.complete && !FAILING_200.has(mood))
        return GOOD.has(mood) ? null : `the response of ${from} was bad`
      if (CUTTING.has(mood)) return null
    }
    if (
      got.status >= 400 &&
      got.complete &&
      from !== null &&
      text !== errorFor(from, sent.number, this.moodOf(from, sent))
    )
      return 'its error is not of one upstream'
    if (sent.leaves !== null) return null
    if (isOnce) {
      const unasked = this.findUnasked(sent, failures)
      return unasked.length === 0 || failures.some(isLate) ? null : `${unasked.join(' and ')} was not asked`
    }
    // The request failed, so no target may have been able to serve it. A machine that stalls makes every target late.
    const able = targets.filter(
      (name) =>
        GOOD.has(this.moodOf(name, sent)) &&
        !failures.some((failure) => nameOf(failure) === name && isLate(failure)) &&
        // A healthy target fails only by a reset of a kept connection, and gets the request again once.
        failures.filter((failure) => nameOf(failure) === name).length < 2,
    )
    if (able.length > 0) return `${able.join(' and ')} could have served it`
    if (got.complete) return null
    return targets.some((name) => BREAKING.has(this.moodOf(name, sent))) ? null : 'it was cut'
  }

  /** Compares the attempts in the records with those that the upstreams have seen. @returns what is wrong, or null */
  private checkCount(group: readonly Sent[], records: readonly LogLine[]): string | null {
    const [{ number, kind }] = group as [Sent]
    let asked = 0
    for (const upstream of this.upstreams.values()) asked += upstream.asked.get(number) ?? 0
    // A connection that was refused brings no request.
    const told = records.reduce((sum, record) => sum + Number(record.attempts) - countRefused(record), 0)
    if (asked > told) return `${asked} came, ${told} are in the records`
    // An attempt may not arrive: it was cancelled before it was connected, or its connection was being reset.
    const exact = !isStormy(TARGETS[kind][0]) && group.every(({ leaves }) => leaves === null)
    return exact && asked < told ? `${asked} came, and ${told} are in the records` : null
  }

  /** Whether no other target was asked later. A response that is good, or only cut, is the last one. */
  private wasLast(from: string, sent: Sent): boolean {
    const mood = this.moodOf(from, sent)
    if (!GOOD.has(mood) && !CUTTING.has(mood)) return true
    const last = (name: string): number => this.upstreams.get(name)?.lastAsked.get(sent.number) ?? 0
    return TARGETS[sent.kind].every((name) => last(name) <= last(from))
  }

  private moodOf(name: string, { number }: Sent): Mood {
    return (this.upstreams.get(name) as MoodyUpstream).moodFor(number)
  }

  private tell(sent: Sent, record: LogLine | undefined, problem: string): void {
    const moods = TARGETS[sent.kind].map((name) => `${name}: ${this.moodOf(name, sent)}`)
    const { kind, number, upload, leaves, got } = sent
    const seen =
      got === null
        ? 'nothing'
        : `${got.status} ${got.complete ? 'whole' : 'cut'} ${got.body.toString().slice(0, 80)}`
    const fields = [
      'attempts',
      'failed_attempts',
      'upstream',
      'status',
      'end',
      'cache',
      'error_code',
      'total_ms',
    ]
    const taken = fields.map((field) => `${field} ${String(record?.[field])}`).join(', ')
    this.problems.push(
      `${kind} ${number} (${upload}, leaves ${leaves}): ${problem}\n  ${moods.join(', ')}\n  got ${seen}\n  ${taken}`,
    )
  }
}

/** Whether an upstream that answers so has not acted on the request, so that it may be sent to another one. */
function isRefusing(mood: Mood, kind: Kind, isKeyed: boolean): boolean {
  return REFUSING.has(mood) || (kind.startsWith('keys') && isKeyed && BUSY.has(mood))
}

/** Whether a target is a key of an upstream that has several. */
function isKey(name: string): boolean {
  return name >= 'k' && name <= 'm'
}

/** The target that a failure in a record is about: `a 500`, or `key#k 401`. */
function nameOf(failure: string): string {
  const [name = ''] = failure.split(' ')
  return name.slice(name.indexOf('#') + 1)
}

function countRefused({ failed_attempts }: LogLine): number {
  return String(failed_attempts).match(/ECONNREFUSED/g)?.length ?? 0
}

function isLate(failure: string): boolean {
  return /firstByteMs|firstTokenMs/.test(failure)
}
