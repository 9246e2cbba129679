import { fork } from 'node:child_process'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { LimitRulesConfig } from '../src/config/limit-rules.js'
import { resolveLimitRules } from '../src/config/limit-rules.js'
import { limitRule } from '../src/config/schema-rules.js'
import { LimitClaim } from '../src/exchange/limit-ticket.js'
import { MemoryLimitStore } from '../src/limits/counters/memory-store.js'
import { LimitServer } from '../src/workers/limit-server.js'
import { openLink } from '../src/workers/link.js'
import { RemoteLimits } from '../src/workers/remote-limits.js'

/*
 * What a check and its settlement take: in one process, and over a link to another one.
 * node dist/bench/limit-link.js
 */

const ROUNDS = 20_000

const rules = resolveLimitRules(
  [
    { name: 'everyone', per: 'user', requestsPerMinute: 1e7, tokensPerMinute: 1e9, concurrent: 1_000 },
    { name: 'team', per: 'team', usd: { month: 1e6, day: 1e5 } },
  ].map((entry) => limitRule.parse(entry)),
  'limits.rules',
  null,
  [],
)
const claims = rules.map((rule) => new LimitClaim(rule, 'team1/user1'))
const config: LimitRulesConfig = {
  rules,
  unpriced: 'assume',
  alerts: { url: null, secret: null, at: [], maxQueued: 10 },
}
const log = { info: () => {}, warn: () => {} }
const ESTIMATE = { tokens: 1_200, nano: 500_000 }
const USE = { tokens: 900, nano: 400_000 }

const micros = (since: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(since)
  return user + system
}

function measureHere(): number {
  const store = new MemoryLimitStore()
  const run = (): void => {
    for (let i = 0; i < ROUNDS; i++) {
      const at = Date.now()
      const { ticket } = store.check(claims, ESTIMATE, performance.now(), at)
      if (ticket === null) throw new Error('refused')
      store.release(ticket)
      store.settle(ticket, claims, USE, performance.now(), at)
    }
  }
  run()
  const since = process.cpuUsage()
  run()
  return micros(since) / ROUNDS
}

/** @param atOnce requests that are asked about in one turn */
async function measureLink(limits: RemoteLimits, atOnce: number): Promise<void> {
  for (let i = 0; i < ROUNDS; i += atOnce) {
    const asked = Array.from({ length: atOnce }, async (_, j) => {
      const at = Date.now()
      const { ticket } = limits.check(claims, ESTIMATE, performance.now(), at)
      if (ticket === null) throw new Error('refused')
      await new Promise((resolve) => limits.whenChecked(ticket, resolve))
      limits.release(ticket, true)
      limits.settle(ticket, claims, USE, {
        reachedLimits: null,
        request: { id: `tw-${i}-${j}`, receivedAt: at },
      })
    })
    await Promise.all(asked)
    await nextTurn()
  }
}

async function beWorker(): Promise<void> {
  const limits = new RemoteLimits(openLink(process), log)
  for (const atOnce of [1, 1, 10, 50]) {
    process.send?.({ begins: atOnce })
    const since = process.cpuUsage()
    await measureLink(limits, atOnce)
    process.send?.({ ends: atOnce, micros: micros(since) / ROUNDS })
  }
  process.exit()
}

function bePrimary(): void {
  const here = measureHere()
  process.stdout.write(`in one process: ${here.toFixed(2)} us of CPU for a check and its settlement\n`)
  const server = new LimitServer({
    config,
    log,
    listKeyRules: () => [],
    folders: null,
    bounds: { hit: () => {} },
  })
  server.begin()
  const child = fork(fileURLToPath(import.meta.url), ['worker'], { serialization: 'advanced' })
  server.serve(openLink(child))
  let since = process.cpuUsage()
  let isWarm = false
  child.on('message', (message: { begins?: number; ends?: number; micros?: number }) => {
    if (message.begins !== undefined) since = process.cpuUsage()
    if (message.ends === undefined) return
    const own = micros(since) / ROUNDS
    const worker = message.micros ?? 0
    if (isWarm)
      process.stdout.write(
        `over the link, ${message.ends} at once: ${worker.toFixed(1)} us in the worker, ${own.toFixed(1)} us in the primary\n`,
      )
    isWarm = true
  })
}

if (process.argv[2] === 'worker') void beWorker()
else bePrimary()
