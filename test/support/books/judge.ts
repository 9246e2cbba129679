import * as assert from 'uvu/assert'
import { type Charge, type Group, hasUsage, type Kind, type Sent, sumCharges } from './account.js'
import { addLine, emptySum, type Line, type Sum } from './ledger-sum.js'
import { charge } from './tariff.js'

/** What a kill may take: requests that ended, or began, less than this before. */
export const SETTLED_MS = 1_000

/** `performance.now()` when the relay of each life was killed; `Infinity` for the last one, which ended well. */
export type Kills = readonly number[]

/** The records of a group, and the charges that they must add up to. */
export interface Bill {
  readonly lines: readonly Line[]
  readonly charges: readonly Charge[]
}

/** Kinds that are never without a charge once their clients have got their answers. */
const CHARGED: ReadonlySet<Kind> = new Set([
  ...(['stream', 'whole', 'compressed', 'failed with usage', 'cut after usage', 'failover'] as const),
  ...(['hedged', 'cached', 'stored', 'background', 'socket'] as const),
])

const MAY_BREAK_OFF: ReadonlySet<Kind> = new Set(['cut', 'cut after usage'])

/** Kinds that are open for long: a record of the connection and one of its response on a WebSocket. */
const HELD_RECORDS: ReadonlyMap<Kind, number> = new Map([
  ['held', 1],
  ['held socket', 2],
])

/** Whether its record can be no other than that of its end. */
function isSettled({ endedAt, group }: Sent, kills: Kills): boolean {
  return endedAt > 0 && endedAt < (kills[group.life] ?? 0) - SETTLED_MS
}

function isWhole(sent: Sent): boolean {
  return sent.status !== null || sent.group.kind === 'cut after usage'
}

/** Whether its requests have all come to their end, so that the records must have what was charged. */
export function isCertain(group: Group, kills: Kills): boolean {
  const isOver = (sent: Sent): boolean => isSettled(sent, kills) && (sent.hasLeft || isWhole(sent))
  return hasUsage(group) && group.sents.every(isOver)
}

/** What a failure needs to be understood. */
function describe(group: Group, lines: readonly Line[]): string {
  const sents = group.sents.map(({ trace, reachedAt, answered, status, endedAt, hasLeft, asked }) => {
    return { trace, reachedAt, answered, status, endedAt, hasLeft, asked }
  })
  const { kind, api, life, team, used, charges, responses } = group
  return JSON.stringify({ kind, api, life, team, used, charges, responses, sents, lines }, (_, value) =>
    typeof value === 'bigint' ? `${value}n` : value,
  )
}

/** Each request has exactly one record, but for those that a kill may have taken. */
export function checkRequests(
  group: Group,
  byTrace: ReadonlyMap<string, readonly Line[]>,
  kills: Kills,
): void {
  for (const sent of group.sents) {
    const lines = byTrace.get(sent.trace) ?? []
    const what = describe(group, lines)
    checkCount(sent, lines, kills, what)
    for (const { fields } of lines) {
      if (fields.end === 'crashed') assert.ok(typeof fields.recovered_from === 'string', what)
      if (group.kind === 'wrong key') continue
      assert.is(fields.team, group.team, what)
      assert.is(fields.tags ?? null, group.tags, what)
    }
    if (isSettled(sent, kills)) checkSettled(sent, lines, what)
  }
}

function checkCount(sent: Sent, lines: readonly Line[], kills: Kills, what: string): void {
  const { group } = sent
  // A WebSocket has a record for itself and one for each response.
  const most = 1 + group.responses
  assert.ok(lines.length <= most, `more records than requests: ${what}`)
  const isKnown = sent.answered || sent.reachedAt > 0
  if (isSettled(sent, kills) && isKnown) assert.is(lines.length, most, `a record is missing: ${what}`)
  const killedAt = kills[group.life] ?? 0
  const wasOpen = sent.endedAt > killedAt && sent.status === null && !sent.hasLeft
  // What ends by itself may have done so in the moment before the kill.
  const held = HELD_RECORDS.get(group.kind)
  if (held === undefined || !wasOpen || sent.reachedAt === 0) return
  if (sent.reachedAt > killedAt - SETTLED_MS) return
  assert.is(lines.length, held, `an open request has no record: ${what}`)
  for (const { fields } of lines) assert.is(fields.end, 'crashed', what)
}

function checkSettled(sent: Sent, lines: readonly Line[], what: string): void {
  const { kind } = sent.group
  for (const { fields } of lines) assert.is.not(fields.end, 'crashed', what)
  // On a WebSocket each response has the status of the POST that it stands for.
  const whole = lines.find(({ fields }) => [undefined, fields.id].includes(fields.connection_id as undefined))
  if (sent.status !== null) assert.is(whole?.fields.status, sent.status, what)
  if (!sent.hasLeft && !MAY_BREAK_OFF.has(kind)) assert.ok(sent.status !== null, `no whole answer: ${what}`)
  if (kind !== 'failover' && kind !== 'hedged') return
  // An attempt that is overtaken may not have come to its target.
  const { attempts, overtaken, overtaken_prompt_tokens: apart } = lines[0]?.fields ?? {}
  assert.ok(Number(attempts) >= sent.asked.length, what)
  if (kind === 'failover' || sent.asked.length === 1) return
  assert.ok(overtaken !== undefined, `a hedge is not told of: ${what}`)
  assert.ok(Number(apart) > 0, `the prompt that the loser has got is not told apart: ${what}`)
}

export function sumLines(lines: readonly Line[]): Sum {
  const sum = emptySum()
  for (const line of lines) addLine(sum, line)
  return sum
}

/** @param lines all records of the group */
export function createBill(group: Group, lines: readonly Line[]): Bill {
  const { charges } = group
  // A hedge may be charged twice: the record has what the target charged that gave the response.
  if (group.kind === 'hedged')
    return { lines, charges: charges.filter(({ upstream }) => upstream === lines[0]?.fields.upstream) }
  // Who leaves before somebody joins has a request of its own, which is cancelled. Its usage may have come before.
  const left = group.sents.filter(({ hasLeft }) => hasLeft).map(({ trace }) => trace)
  const isCharged = (trace: unknown): boolean => charges.some((one) => one.trace === trace)
  const isAlone = ({ fields }: Line): boolean =>
    left.includes(String(fields.trace_id)) &&
    (fields.usage_source === 'estimated' || !isCharged(fields.trace_id))
  const alone = lines.filter(isAlone).map(({ fields }) => fields.trace_id)
  return {
    lines: lines.filter((line) => !isAlone(line)),
    charges: charges.filter(({ trace }) => !alone.includes(trace)),
  }
}

/** The records have what was charged, and nothing else. */
export function checkMoney(group: Group, bill: Bill): void {
  const what = describe(group, bill.lines)
  assert.equal(sumLines(bill.lines), sumCharges(bill.charges, bill.lines.length), what)
  for (const { fields, cost } of bill.lines) {
    assert.is.not(fields.usage_source, 'estimated', what)
    if (fields.usage_source === 'upstream') assert.is.not(cost, null, what)
    if (fields.usage_source === 'cache') assert.is(cost, 0n, what)
  }
  assert.is(bill.charges.length > 0, CHARGED.has(group.kind), what)
}

/** Of what was cut, left or killed: tokens that are said to be the provider's are those that it has told, and told once. */
export function checkLoosely(group: Group, lines: readonly Line[]): void {
  const { kind, used } = group
  const what = describe(group, lines)
  const told = lines.filter(({ fields }) => fields.usage_source === 'upstream')
  // Anthropic tells the prompt at the beginning, and so it is known of a stream that was cut.
  if (group.api === 'messages') return
  if (kind === 'cut' || kind === 'error event') assert.is(told.length, 0, what)
  if (kind === 'socket') {
    const known = group.charges.map((one) => `${one.used.prompt} ${one.used.completion} ${one.cost}`)
    for (const { fields, cost } of told)
      assert.ok(known.includes(`${fields.prompt_tokens} ${fields.completion_tokens} ${cost}`), what)
    assert.ok(told.length <= known.length, what)
    return
  }
  for (const { fields, cost } of told) {
    assert.is(fields.prompt_tokens, used.prompt, what)
    assert.is(fields.completion_tokens, used.completion, what)
    assert.is(cost, charge(used), what)
  }
  if (kind !== 'cached') assert.ok(told.length <= 1, what)
}
