import { showText } from '../lib/visible-text.js'
import type { Activity } from './profile-phases.js'
import type { ProfileSummary, Share } from './profile-summary.js'
import { shortenNumber } from './short.js'

/** Rows of the lists of modules and functions. */
const MOST_MODULES = 12
const MOST_FUNCTIONS = 12

const NAME_WIDTH = 48

const WORDS: Readonly<Record<Activity, string>> = {
  socket: 'socket: Node reads the request',
  admit: 'admit: head and key',
  read: 'read: body',
  plan: 'plan: targets, limits',
  cache: 'cache',
  attempt: 'attempt: request to the upstream',
  respond: 'respond: from the upstream to the client',
  meter: 'meter: reads responses after they have left',
  record: 'record: ledger, log, metrics, limits',
  other: 'other: timers, probes, the event loop',
  collect: 'garbage collector',
  native: 'native code outside of functions',
}

/** Formats a summary for people, in 80 columns. */
export function formatSummary(summary: ProfileSummary): string {
  const { busy_ms, phases, modules, functions, requests } = summary
  const each = requests === null || requests === 0 ? null : requests
  return [
    describe(summary),
    formatTable(
      'phase',
      phases.map(({ name, ms }) => ({ name: WORDS[name as Activity], ms })),
      busy_ms,
      each,
    ),
    formatTable('module', cut(modules, MOST_MODULES), busy_ms, each),
    formatTable('function, without what it calls', cut(functions, MOST_FUNCTIONS), busy_ms, each),
  ].join('\n')
}

/** From so many times the CPU time on, the thread has waited for the processor. */
const WAITED = 1.25

function describe({ total_ms, busy_ms, requests, cpu_ms, samples }: ProfileSummary): string {
  const busy = total_ms === 0 ? 0 : (busy_ms / total_ms) * 100
  const lines = [
    `${(total_ms / 1_000).toFixed(1)} s, ${shortenNumber(samples)} samples: the main thread was busy for ${(busy_ms / 1_000).toFixed(2)} s (${busy.toFixed(1)} %)`,
  ]
  if (requests !== null && cpu_ms !== null) {
    const us = requests === 0 ? '' : `, ${Math.round((cpu_ms * 1_000) / requests)} us for each`
    lines.push(
      `${requests} requests ended; all threads used ${(cpu_ms / 1_000).toFixed(2)} s of CPU time${us}`,
    )
  }
  if (cpu_ms !== null && busy_ms > WAITED * cpu_ms)
    lines.push('For the rest of that time it waited: other programs had the processor.')
  return lines.map((line) => `${line}\n`).join('')
}

/** The first ones, and all others in one row. */
function cut(shares: readonly Share[], most: number): Share[] {
  if (shares.length <= most) return [...shares]
  const rest = shares.slice(most)
  const ms = rest.reduce((sum, share) => sum + share.ms, 0)
  return [...shares.slice(0, most), { name: `${rest.length} others`, ms }]
}

/** @param requests null to leave out the time of one */
function formatTable(
  title: string,
  shares: readonly Share[],
  busyMs: number,
  requests: number | null,
): string {
  const row = (name: string, ms: string, percent: string, us: string): string => {
    const text = showText(name)
    const shown = text.length > NAME_WIDTH ? `${text.slice(0, NAME_WIDTH - 3)}...` : text
    const cells = `${shown.padEnd(NAME_WIDTH)} ${ms.padStart(9)} ${percent.padStart(7)}`
    return `${requests === null ? cells : `${cells} ${us.padStart(12)}`}\n`
  }
  const tenths = shareOut(
    shares.map(({ ms }) => ms),
    1_000,
  )
  const rows = shares.map(({ name, ms }, i) =>
    row(name, ms.toFixed(1), formatTenths(tenths[i] as number), formatEach(ms, requests)),
  )
  const all = formatTenths(busyMs === 0 ? 0 : 1_000)
  return [
    row(title, 'ms', '%', 'us a request'),
    ...rows,
    row('all', busyMs.toFixed(1), all, formatEach(busyMs, requests)),
  ].join('')
}

function formatEach(ms: number, requests: number | null): string {
  return requests === null ? '' : ((ms * 1_000) / requests).toFixed(1)
}

function formatTenths(tenths: number): string {
  return (tenths / 10).toFixed(1)
}

/**
 * Shares out a whole by parts (largest remainder): rounded one by one, shares would add up to 99.8 or 100.3 %.
 * @returns whole numbers that add up to `whole`; all 0 if the parts are
 */
export function shareOut(parts: readonly number[], whole: number): number[] {
  const sum = parts.reduce((all, part) => all + part, 0)
  if (sum === 0) return parts.map(() => 0)
  const exact = parts.map((part) => (part / sum) * whole)
  const shares = exact.map(Math.floor)
  const byRemainder = exact
    .map((share, i) => ({ i, left: share - Math.floor(share) }))
    .sort((a, b) => b.left - a.left)
  const missing = whole - shares.reduce((all, share) => all + share, 0)
  for (const { i } of byRemainder.slice(0, missing)) shares[i] = (shares[i] as number) + 1
  return shares
}
