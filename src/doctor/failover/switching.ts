import { TINY_TOKENS } from '../bodies.js'
import { combine, fail, pass, type Seen, skip, warn } from '../finding.js'
import type { Front } from '../front.js'
import { formatSeconds } from '../http-request.js'
import { formatLongest, type Probe } from './probe.js'
import { findFailoverRemedy } from './remedies.js'

/** What was seen while the relays went down, or came back. Times are milliseconds of `performance.now()`. */
export interface Switching {
  /** Ordered by when they were sent. */
  readonly probes: readonly Probe[]
  /** What was to be reached was reached. */
  readonly isSettled: boolean
  /** Why the command of the operator failed; null if it did not, or there was none. */
  readonly commandFault: string | null
}

const DIRECT_GUIDE = 'scripts/deploy/DIRECT.md has the direct way for nginx, HAProxy and Caddy'
const EXPORT_KEYS =
  'is it on the list? thinwire keys export --hashes leaves out keys that are limited to models or addresses, and those with a budget unless direct.budgetedKeys is true'
const EXPORT_FOLLOWS = 'is thinwire keys export --hashes --follow running, and does the front read its list?'
const OTHER_MODEL = '--model NAME, with a model of the provider that the front goes to'

/** The latest of the probes that came by the direct way; null if none did. */
function findLastDirect(probes: readonly Probe[], kind: Probe['kind']): Probe | null {
  return probes.filter((probe) => probe.kind === kind && isPast(probe)).at(-1) ?? null
}

/** Whether a response came by no relay, but from an API. */
export function isPast({ by }: Probe): boolean {
  return by === 'direct' || by === 'unmarked'
}

/** Whether the front has a direct way that takes the key. */
export function judgeDirectWay({ probes, commandFault }: Switching, isAsked: boolean): Seen {
  const list = findLastDirect(probes, 'list')
  const chat = findLastDirect(probes, 'chat')
  if (list === null) return judgeNoDirectWay(probes, commandFault, isAsked)
  for (const probe of [list, ...(chat === null ? [] : [chat])]) {
    const what = `${probe.kind === 'list' ? 'GET' : 'POST'} ${probe.text}`
    if (probe.code === 'direct_not_possible') {
      if (probe.kind === 'chat') return warn(`${what}: this model does not go direct`, OTHER_MODEL)
      return fail(`${what}: the list of models does not go direct`, DIRECT_GUIDE)
    }
    if (refusesOperator(probe)) {
      return fail(
        `${what}: the provider refuses the key of the operator`,
        "correct the provider's key in the front",
      )
    }
    if (probe.fate === 'refused') {
      return fail(`${what}: the key is refused on the direct way`, EXPORT_KEYS, EXPORT_FOLLOWS)
    }
    if (probe.fate === 'lost') {
      return fail(
        `${what}: there is a direct way, but it does not reach the provider`,
        "see the front's error log; nginx needs proxy_ssl_server_name on; and the name of the provider as Host",
      )
    }
  }
  const seen = `GET ${list.text}${chat === null ? '' : `, POST ${chat.text}`}`
  if (list.by === 'unmarked') {
    return warn(
      `${seen}, without x-thinwire-direct`,
      'let the front set x-thinwire-direct: 1 on each direct response: without it nobody can see which way it came',
    )
  }
  return pass(`${seen}, with x-thinwire-direct`)
}

/** The front's refusal of a key repeats no part of it; OpenAI's does. The recipes put a code in its place. */
function refusesOperator({ code, fate, text }: Probe): boolean {
  return code === 'direct_refused' || (fate === 'refused' && /Incorrect API key|\[key\]/i.test(text))
}

function judgeNoDirectWay(probes: readonly Probe[], commandFault: string | null, isAsked: boolean): Seen {
  const last = probes.filter(({ kind }) => kind === 'list').slice(-3)
  const probe = last.at(-1)
  if (probe === undefined || last.some(({ by }) => by === 'relay')) {
    if (isAsked) return skip('the relays were not stopped in time')
    return fail(
      commandFault === null
        ? 'a relay still answers, though the command has ended'
        : `a relay still answers, and the command failed: ${commandFault}`,
      'give a command that stops each relay behind the front: --stop "systemctl stop thinwire@1 thinwire@2"',
    )
  }
  if (probe.by === 'nobody') {
    return probe.isLate
      ? fail(`${probe.text}: requests hang, and the front has no direct way`, DIRECT_GUIDE)
      : fail(
          `${probe.text}: the front does not answer: it was stopped with the relays, or is one of them`,
          DIRECT_GUIDE,
        )
  }
  return fail(`${probe.text}: the front has no direct way`, DIRECT_GUIDE)
}

/** The time without an answer that a front may need, when it has to find out that a relay is down. */
const GAP_MAX_MS = 2_000
const LOST_MAX = 2
const SLOW_MS = 3_000

/** Whether requests were lost while the relays stopped, and how long it took. */
export function judgeSwitchOver({ probes }: Switching, front: Front | null): Seen {
  const direct = probes.filter(isPast)
  if (direct.length === 0) return skip('there is no direct way')
  const lost = probes.filter(({ fate }) => fate === 'lost')
  const gapMs = measureGap(probes)
  const when = `the first direct response came ${formatSeconds(gapMs)} after the last one of a relay`
  const first = lost[0]
  if (first === undefined) {
    const seen = `${when}; all ${probes.length} requests got an answer`
    const isSlow = probes.some(({ sentMs, endMs }) => endMs - sentMs > SLOW_MS)
    return isSlow
      ? warn(`${seen}, the slowest after ${formatLongest(probes)}`, ...findFailoverRemedy('lost', front))
      : pass(seen)
  }
  const seen = `${when}; ${lost.length} of ${probes.length} requests were lost (${first.text})`
  return gapMs > GAP_MAX_MS || lost.length > LOST_MAX
    ? fail(seen, ...findFailoverRemedy('lost', front))
    : warn(seen, ...findFailoverRemedy('lost', front))
}

/** Milliseconds from the last response of a relay, or else from the first request, to the first direct response. */
function measureGap(probes: readonly Probe[]): number {
  const ends = probes.filter(({ by }) => by === 'relay').map(({ endMs }) => endMs)
  const begun = Math.min(...probes.map(({ sentMs }) => sentMs))
  const first = Math.min(...probes.filter(isPast).map(({ endMs }) => endMs))
  return Math.max(0, first - Math.max(begun, ...ends))
}

/** Whether the front's own errors are in a form that clients can show. */
export function judgeOwnErrors(probes: readonly Probe[], front: Front | null): Seen {
  const own = probes.filter(({ by }) => by === 'front')
  const page = own.find(({ isPage }) => isPage)
  if (page !== undefined) {
    return warn(`${page.text}: clients cannot show it`, ...findFailoverRemedy('page', front))
  }
  return pass(own.length === 0 ? 'the front made none' : `${own.length}, none of them an HTML page`)
}

/** A response of a relay to a later request proves that the relays still answered when a POST was sent. */
const LATER_MS = 250
const WAITED_MS = 400

/**
 * Whether a chat was sent to a relay, and then once more on the direct way: then it is billed twice.
 * @param isFrozen the relays accept connections and do nothing: what was sent before the front went direct may be with
 *   one of them, or may have waited for the front's own check
 * @param sent tags of the chats that the relays sent on, from their records; null if these are not known
 */
export function judgeSentTwice(
  { probes }: Switching,
  isFrozen: boolean,
  sent: ReadonlySet<string> | null,
  front: Front | null,
): Seen {
  const chats = probes.filter(({ kind, fate }) => kind === 'chat' && fate === 'answered').filter(isPast)
  if (sent !== null) {
    const count = chats.filter(({ tag }) => sent.has(tag)).length
    return count === 0
      ? pass(`the relays' records have none of the ${chats.length} that were answered direct`)
      : fail(
          `${count} of ${chats.length} that were answered direct were sent by a relay, too: they are billed twice`,
          ...findFailoverRemedy('twice', front),
        )
  }
  const byRelay = probes.filter(({ by }) => by === 'relay')
  const knownMs = findDirectSince(probes)
  const first = chats.find(({ sentMs, endMs }) => {
    if (endMs - sentMs < WAITED_MS) return false
    return (
      byRelay.some((each) => each.sentMs >= sentMs + LATER_MS) || (isFrozen && sentMs + WAITED_MS <= knownMs)
    )
  })
  if (first === undefined) return pass('no sign of one that went to a relay and then direct')
  const waited = `one waited ${formatSeconds(first.endMs - first.sentMs)} and was then answered direct`
  // A front that asks /readyz before each request lets them wait, too, and sends them once.
  if (isFrozen)
    return skip(`${waited}; --config FILE of the relays shows by their records whether one sent it, too`)
  return warn(
    `${waited}: a relay may have sent it, too, and it is billed twice`,
    ...findFailoverRemedy('twice', front),
    '--config FILE of the relays shows it by their records',
  )
}

/** When the front began to go direct, as far as the lists show it, which are sent several times a second. */
function findDirectSince(probes: readonly Probe[]): number {
  const lists = probes.filter((probe) => probe.kind === 'list' && isPast(probe))
  const fastest = Math.min(...lists.map(({ sentMs, endMs }) => endMs - sentMs))
  return Math.min(...lists.map(({ endMs }) => endMs)) - fastest
}

/** A health check finds a frozen relay in this time, if it asks each second. */
const FROZEN_MAX_MS = 10_000

/** How long a front waits for relays that are frozen: they accept connections and answer nothing. */
export function judgeFrozen({ probes, isSettled }: Switching, isAsked: boolean, front: Front | null): Seen {
  const direct = probes.filter(isPast)
  const late = probes.filter(({ fate }) => fate === 'lost')
  if (direct.length === 0) {
    if (isAsked && late.length === 0) return skip('the relays were not frozen in time')
    if (late.length === 0)
      return fail('the relays still answer: nothing was frozen', 'freeze each relay: kill -STOP')
    const hung = late.find(({ isLate }) => isLate)
    return fail(
      hung === undefined
        ? `${late.at(-1)?.text ?? ''}: the front does not go direct`
        : `requests hang for ${formatLongest(late)} and more: the front has no health check that finds a frozen relay`,
      ...findFailoverRemedy('frozen', front),
    )
  }
  const gapMs = measureGap(probes)
  const lost = late.length === 0 ? 'none was lost' : `${late.length} of ${probes.length} were lost`
  const seen = `direct after ${formatSeconds(gapMs)}; the slowest request took ${formatLongest(probes)}, ${lost}`
  if (gapMs > FROZEN_MAX_MS || !isSettled) return warn(seen, ...findFailoverRemedy('frozen', front))
  return pass(seen)
}

/**
 * Whether the relays answer again, and what it cost.
 * @param hadDirect there was a direct way: without one, what was sent before a relay answered was lost anyway
 */
export function judgeSwitchBack(
  back: Switching,
  isAsked: boolean,
  hadDirect: boolean,
  front: Front | null,
): Seen {
  const { probes, isSettled, commandFault } = back
  const byRelay = probes.filter(({ by }) => by === 'relay')
  const first = byRelay[0]
  if (!isSettled || first === undefined) {
    const parts: Seen[] = []
    if (commandFault !== null) parts.push(fail(`the command failed: ${commandFault}`))
    const count = probes.filter(isPast).length
    parts.push(
      fail(
        first !== undefined
          ? 'some requests reach a relay again, and some do not'
          : count > 0
            ? 'the front still goes direct, or no relay has started'
            : `no relay answers (${probes.at(-1)?.text ?? 'no response'})`,
        'does a relay answer on its own machine? curl http://127.0.0.1:4000/readyz',
        ...findFailoverRemedy('back', front),
      ),
    )
    return combine(parts)
  }
  const lost = probes.filter(({ fate, sentMs }) => fate === 'lost' && (hadDirect || sentMs > first.endMs))
  const begun = probes[0]?.sentMs ?? first.endMs
  const after = isAsked ? '' : `${formatSeconds(first.endMs - begun)} after the command began, `
  const seen = `a relay answered again ${after}${lost.length === 0 ? 'and no request was lost' : `and ${lost.length} of ${probes.length} requests were lost (${lost[0]?.text ?? ''})`}`
  return lost.length === 0 ? pass(seen) : warn(seen, ...findFailoverRemedy('lost', front))
}

/** What will be billed, before it is. @param phases how often something goes down, or comes back */
export function describeCost(phases: number, chatsPerPhase: number, answers: number): string {
  const long = answers === 0 ? '' : ` and ${answers} short answer${answers === 1 ? '' : 's'}`
  return `The provider bills at most ${phases * chatsPerPhase + 1} chats of ${TINY_TOKENS} tokens${long}.`
}
