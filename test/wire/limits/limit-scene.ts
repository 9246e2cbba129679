import * as assert from 'uvu/assert'
import type { LimitRule } from '../../../src/config/limit-rules.js'
import { parseNanoUsd } from '../../../src/lib/nano-usd.js'
import { MemoryLimitStore } from '../../../src/limits/counters/memory-store.js'
import type { LimitState } from '../../../src/limits/counters/store.js'
import { LimitMatcher } from '../../../src/limits/rules/matcher.js'
import { headerOf, type Response } from '../../support/client.js'
import { readLedger } from '../../support/ledger.js'
import { auth, type LogLine, type TestRelay } from '../../support/relay.js'
import { until } from '../../support/until.js'
import { type Script, whole } from '../../support/upstream.js'

/** A model of the built-in price table, and what 1,000 tokens in and 100 out of it cost. */
export const MODEL = 'gpt-4o-mini'

/** A rule without its name. */
export type RuleEntry = Readonly<Record<string, unknown>>

/** The section `limits` of a config with these rules, by their names. */
export function limitsOf(
  rules: Readonly<Record<string, RuleEntry>>,
  more: object = {},
): Record<string, unknown> {
  return { limits: { rules: Object.entries(rules).map(([name, entry]) => ({ name, ...entry })), ...more } }
}

/** A request for an answer, as an OpenAI client sends it. */
export function chat(model: string = MODEL, more: object = {}): string {
  return JSON.stringify({ model, messages: [{ role: 'user', content: 'Say hello.' }], ...more })
}

/** The bytes of a POST. */
export function posting(
  relay: Pick<TestRelay, 'key'>,
  body: string,
  path = '/v1/chat/completions',
  lines = '',
): string {
  const head = `${auth(relay)}content-type: application/json\r\n${lines}content-length: ${Buffer.byteLength(body)}`
  return `POST ${path} HTTP/1.1\r\n${head}\r\n\r\n${body}`
}

/** An answer that reports so many tokens. */
export function completion(prompt: number, completionTokens: number, model = MODEL): string {
  const usage = {
    prompt_tokens: prompt,
    completion_tokens: completionTokens,
    total_tokens: prompt + completionTokens,
  }
  const message = { role: 'assistant', content: 'Hello.' }
  const choices = [{ index: 0, message, finish_reason: 'stop' }]
  return JSON.stringify({ id: 'c1', object: 'chat.completion', model, choices, usage })
}

export const answers =
  (prompt: number, completionTokens: number, model = MODEL): Script =>
  (request) =>
    request.write(
      whole('200 OK', completion(prompt, completionTokens, model), 'content-type: application/json'),
    )

/** Status and error code. */
export function outcomeOf(response: Response): string {
  const code = headerOf(response, 'x-thinwire-error')
  return code === undefined ? String(response.status) : `${response.status} ${code}`
}

/** What is in flight or held, of all counters. */
export function takenOf(states: readonly LimitState[]): { places: number; held: number } {
  let [places, held] = [0, 0]
  for (const state of states) {
    if (state.kind === 'concurrent') places += Number(state.used)
    held += state.held
  }
  return { places, held }
}

/** What is used of each budget: `RULE OWNER UNIT PERIOD` and the amount. */
function budgetsOf(states: readonly LimitState[]): Record<string, string> {
  const found: Record<string, string> = {}
  for (const { rule, owner, budget, period, used } of states)
    if (budget !== null && used > 0) found[`${rule.name} ${owner} ${budget.unit} ${period}`] = String(used)
  return found
}

/** What the records of the ledger come to, counted by the rules afresh. */
function replay(rules: readonly LimitRule[], records: readonly LogLine[]): Record<string, string> {
  const matcher = new LimitMatcher(rules)
  const store = new MemoryLimitStore()
  for (const record of records) {
    const text = (name: string): string | null => (record[name] as string | null | undefined) ?? null
    const subject = {
      key: text('key'),
      env: text('env'),
      team: text('team'),
      user: text('user'),
      model: text('model'),
      route: text('route') ?? '',
      tags: text('tags'),
    }
    const count = (name: string): number => (record[name] as number | null | undefined) ?? 0
    const nano = parseNanoUsd(count('cost_usd') || count('assumed_usd')) ?? 0
    const use = { tokens: count('prompt_tokens') + count('completion_tokens'), nano }
    for (const claim of matcher.claimsOf(subject, null))
      store.restore(claim, use, Date.parse(text('ts') ?? ''))
  }
  const [now, at] = [performance.now(), Date.now()]
  return budgetsOf([...store.list()].flatMap((claim) => store.read(claim, now, at)))
}

/** Waits until the counters are what the records say: requests of clients that have left may still arrive. */
export async function untilBooksAgree(relay: TestRelay): Promise<void> {
  const { rules } = relay.app.config.limitRules
  const agree = (): boolean => {
    if (!relay.inspect().isIdle) return false
    relay.app.flush()
    const { limits } = relay.inspect()
    const { places, held } = takenOf(limits)
    const records = replay(rules, readLedger(relay.config.ledger.folder))
    return (
      places === 0 &&
      held === 0 &&
      JSON.stringify(sorted(budgetsOf(limits))) === JSON.stringify(sorted(records))
    )
  }
  await until(agree, 'the counters to be what the records say')
}

function sorted(amounts: Readonly<Record<string, string>>): readonly (readonly [string, string])[] {
  return Object.entries(amounts).sort(([one], [other]) => (one < other ? -1 : 1))
}

/**
 * Waits until no request is open, and compares the counters with the records.
 * @param count of records
 * @returns the records
 */
export async function expectBooks(relay: TestRelay, count: number): Promise<LogLine[]> {
  await until(() => relay.inspect().isIdle, 'all requests to end')
  const records = await relay.records(count)
  assert.is(records.length, count)
  // Where another process counts, what a request gives back is on its way for a moment.
  if (process.env.THINWIRE_TEST_LIMITS === 'primary')
    await until(() => isNothingTaken(relay), 'all to be returned')
  const { limits } = relay.inspect()
  assert.equal(takenOf(limits), { places: 0, held: 0 })
  const { rules } = relay.app.config.limitRules
  assert.equal(budgetsOf(limits), replay(rules, readLedger(relay.config.ledger.folder)))
  return records
}

function isNothingTaken(relay: TestRelay): boolean {
  const { places, held } = takenOf(relay.inspect().limits)
  return places === 0 && held === 0
}
