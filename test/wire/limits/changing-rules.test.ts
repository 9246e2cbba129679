import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { changeKey, findKey } from '../../../src/access/key-changes.js'
import type { Bookkeeper } from '../../../src/ledger/write/bookkeeper.js'
import type { Limiter } from '../../../src/limits/limiter.js'
import { compareWithLedger } from '../../../src/limits/snapshot/drift.js'
import {
  formatEnd,
  formatOwner,
  parseSnapshot,
  SliceFormatter,
} from '../../../src/limits/snapshot/snapshot-file.js'
import type { RawClient } from '../../support/client.js'
import { randomFrom, SEED } from '../../support/random.js'
import { startRelay, type TestRelay } from '../../support/relay.js'
import { until } from '../../support/until.js'
import { CHUNKED, head, type Received, ScriptedUpstream, SSE } from '../../support/upstream.js'
import { answers, chat, MODEL, outcomeOf, posting } from './limit-scene.js'

/*
 * Rules come, go, change and come back, keys get other owners and rules of their own, and requests are in flight all the
 * time. Whenever no rule is being restored, each counter has to the last unit what the ledger says.
 */

const MOST = 900_000
const MATCHES = [
  {},
  { team: 'team1' },
  { user: 'user*' },
  { model: 'gpt-*' },
  { path: '*/completions' },
  { tag: 'p=1' },
]
const BUDGETS = [
  { usd: { month: MOST } },
  { usd: { month: MOST, day: MOST }, tokens: { hour: 1e15 } },
  { tokens: { week: 1e15, hour: 1e15 }, requestsPerMinute: 1e6 },
  { usd: { day: MOST / 2 }, concurrent: 1_000 },
]
const ZONES = ['UTC', 'Europe/Berlin', 'asia/kathmandu']

class Chaos {
  readonly upstream: ScriptedUpstream
  readonly relay: TestRelay
  readonly keys: string[]
  compared = 0
  private readonly random: () => number
  private readonly streams: { client: RawClient; request: Received }[] = []

  constructor(upstream: ScriptedUpstream, relay: TestRelay, random: () => number) {
    this.upstream = upstream
    this.relay = relay
    this.random = random
    this.keys = [relay.key, relay.addKey('team1'), relay.addKey('team2')]
  }

  pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.random() * values.length)] as T
  }

  rule(): object {
    // Few names: a rule often comes back, with other amounts or for other requests.
    const name = this.pick(['a', 'b', 'c', 'd'])
    const per = this.pick(['pool', 'key', 'user', 'team', 'env'])
    return { name, per, match: this.pick(MATCHES), timezone: this.pick(ZONES), ...this.pick(BUDGETS) }
  }

  request(model: string, more: object = {}): string {
    const tags = this.pick(['', 'x-thinwire-tags: p=1\r\n', 'x-thinwire-tags: p=2,q=1\r\n'])
    return posting({ key: this.pick(this.keys) }, chat(model, more), '/v1/chat/completions', tags)
  }

  async ask(): Promise<void> {
    const client = await this.relay.client()
    client.send(this.request(this.pick([MODEL, 'nobody-knows'])))
    assert.is(outcomeOf(await client.response()), '200')
    client.destroy()
  }

  async begin(): Promise<void> {
    const before = this.upstream.requests.length
    const client = await this.relay.client()
    client.send(this.request(MODEL, { stream: true }))
    const request = await this.upstream.request(before)
    await client.sees('words')
    this.streams.push({ client, request })
  }

  async end(): Promise<void> {
    const [stream] = this.streams.splice(Math.floor(this.random() * this.streams.length), 1)
    if (stream === undefined) return
    if (this.random() < 0.5) await stream.request.lastChunk()
    else stream.client.destroy()
  }

  changeRules(): void {
    const { file } = this.relay.config
    const names = new Set<unknown>()
    const rules = Array.from({ length: Math.floor(this.random() * 4) }, () => this.rule()).filter((rule) => {
      const { name } = rule as { readonly name: string }
      return !names.has(name) && names.add(name)
    })
    const config = JSON.parse(readFileSync(String(file), 'utf8')) as object
    writeFileSync(String(file), JSON.stringify({ ...config, limits: { rules } }))
    this.relay.app.reload()
  }

  changeKey(): void {
    const { keyFile } = this.relay
    const { id } = findKey(keyFile, this.pick(this.keys))
    if (this.random() < 0.5) {
      const rule = { name: this.pick(['a', 'own']), ...this.pick(BUDGETS) }
      changeKey(keyFile, id, { ruleEntries: this.random() < 0.5 ? [rule] : null })
    } else {
      const owner = { team: this.pick(['team1', 'team2']), user: this.pick(['user1', 'other']) }
      const line = { v: 1, ts: new Date().toISOString(), op: 'changed', id, ...owner }
      appendFileSync(keyFile, `${JSON.stringify(line)}\n`)
    }
    this.relay.app.reloadKeys()
  }

  async step(): Promise<void> {
    const dice = this.random()
    if (dice < 0.35) await this.ask()
    else if (dice < 0.5) await this.begin()
    else if (dice < 0.65) await this.end()
    else if (dice < 0.85) this.changeRules()
    else this.changeKey()
  }

  /** Compares as `thinwire usage verify --limits` does. */
  async compare(): Promise<void> {
    const { relay } = this
    const { limiter, ledger } = relay.app as unknown as { limiter: Limiter; ledger: Bookkeeper }
    const counting = relay.primary?.server.limiter ?? limiter
    relay.app.flush()
    // What was said before has arrived when this is answered.
    await relay.limits?.readFigures()
    await until(() => counting.isRestored, 'the budgets to be restored')
    relay.app.flush()
    await relay.limits?.readFigures()
    const slices = new SliceFormatter()
    for (const state of relay.inspect().limits) slices.add(state)
    const { writer, started, lastSeq } = ledger
    const text =
      formatOwner({ writer, started, host: 'h', pid: 1, born: null }) +
      slices.take(lastSeq, Date.now()) +
      formatEnd({ written: new Date().toISOString(), ended: false, restored: true })
    const snapshot = parseSnapshot(text)
    if (typeof snapshot === 'string') throw new Error(snapshot)
    await until(() => ledger.writtenSeq >= lastSeq, 'the records')
    const keyRules = relay.app.keyring?.list().flatMap(({ limits }) => limits ?? []) ?? []
    const rules = [...relay.app.config.limitRules.rules, ...keyRules]
    const found = await compareWithLedger([relay.config.ledger.folder], snapshot, rules)
    assert.equal(
      found.drifts.map(({ rule, owner, budget, live, ledger }) =>
        [rule.name, owner, budget.unit, budget.period, live, ledger].join(' '),
      ),
      [],
    )
    this.compared += found.compared
  }

  async finish(): Promise<void> {
    while (this.streams.length > 0) await this.end()
    await until(() => this.relay.inspect().isIdle, 'all requests to end')
    await this.compare()
    for (const { kind, used, held } of this.relay.inspect().limits) {
      assert.is(held, 0)
      if (kind === 'concurrent') assert.is(used, 0)
    }
  }
}

const words = `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: 'words of an answer' } }] })}\n\n`

for (const life of [0, 1]) {
  test(`while rules and keys change, the counters are what the ledger says (${life})`, async () => {
    const upstream = await ScriptedUpstream.start(async (request) => {
      const { stream, model } = JSON.parse(request.body.toString()) as { stream?: boolean; model: string }
      if (stream !== true) return answers(1_000, 100, model)(request)
      await request.write(head('200 OK', SSE, CHUNKED))
      return request.chunk(words)
    })
    const entry = { up: { baseUrl: upstream.url, apiKey: { env: 'UPSTREAM_KEY' } } }
    const relay = await startRelay(entry, {}, undefined, 3_600_000)
    const chaos = new Chaos(upstream, relay, randomFrom(SEED * 10 + life))
    try {
      for (let n = 1; n <= 100; n++) {
        await chaos.step()
        if (n % 5 === 0) await chaos.compare()
      }
      await chaos.finish()
      // Else it would compare nothing with nothing.
      assert.ok(chaos.compared > 60, `${chaos.compared} budgets`)
    } finally {
      await relay.close()
      await upstream.close()
    }
  })
}

test.run()
