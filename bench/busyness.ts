import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import type { Placement } from './machine.js'

// How much of the bench's cores others take: processes that are not of the bench, and the host of a virtual machine. On
// a busy machine all figures are those of luck, so there is no verdict.

/** The share of a core beyond which a machine is busy: enough for one request in ten to meet something else. */
const BUSY = 0.1

/** How long the machine is looked at before the bench does anything. */
const LOOK_MS = 1_000

/** CPU time up to a moment, in ticks. */
export interface CpuTicks {
  /** Of all processes, on the cores of the bench. */
  readonly used: number
  /** That the host of a virtual machine gave to others, on the same cores. */
  readonly stolen: number
  /** Of the bench and of the processes that it has started, also those that have ended. */
  readonly own: number
  /** That has passed on one core. */
  readonly passed: number
}

/** What others have taken in a span of time, in cores. */
export interface Taken {
  readonly used: number
  readonly stolen: number
}

/** Looks at the machine before a run, and again after it. Where there is no /proc, no machine is busy. */
export class Watch {
  private readonly placement: Placement
  private readonly before: Taken
  private readonly start: CpuTicks | null

  static async begin(placement: Placement, lookMs = LOOK_MS): Promise<Watch> {
    const first = readTicks(placement)
    await setTimeout(lookMs)
    const second = readTicks(placement)
    return new Watch(placement, takenBetween(first, second), second)
  }

  private constructor(placement: Placement, before: Taken, start: CpuTicks | null) {
    this.placement = placement
    this.before = before
    this.start = start
  }

  /** Why there is no verdict on what was measured since the beginning; null if the machine was quiet enough. */
  whyBusy(): string | null {
    return describeBusy(this.before, takenBetween(this.start, readTicks(this.placement)))
  }
}

export function describeBusy(before: Taken, during: Taken): string | null {
  const spans = [
    ['before the run', before],
    ['during the run', during],
  ] as const
  const words = spans.flatMap(([when, { used, stolen }]) => [
    ...(used > BUSY ? [`other processes took ${percent(used)} of a core ${when}`] : []),
    ...(stolen > BUSY ? [`the host took ${percent(stolen)} of a core ${when}`] : []),
  ])
  return words.length === 0 ? null : words.join(', ')
}

function percent(cores: number): string {
  return `${Math.round(100 * cores)} %`
}

export function takenBetween(from: CpuTicks | null, to: CpuTicks | null): Taken {
  if (from === null || to === null || to.passed <= from.passed) return { used: 0, stolen: 0 }
  const passed = to.passed - from.passed
  return {
    used: Math.max(0, (to.used - from.used - (to.own - from.own)) / passed),
    stolen: (to.stolen - from.stolen) / passed,
  }
}

/**
 * Reads the counts of the cores (proc(5), `/proc/stat`). Ticks in interrupts are left out: some kernels count them for a
 * process too, and others do not.
 * @param cores numbers of the cores; empty for all
 */
export function readCores(stat: string, cores: readonly number[]): Omit<CpuTicks, 'own'> {
  let used = 0
  let stolen = 0
  let passed = 0
  let counted = 0
  for (const line of stat.split('\n')) {
    const core = /^cpu(\d+) /.exec(line)?.[1]
    if (core === undefined || (cores.length > 0 && !cores.includes(Number(core)))) continue
    const [user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, soft = 0, steal = 0] = line
      .split(' ')
      .slice(1)
      .map(Number)
    used += user + nice + system
    stolen += steal
    passed += user + nice + system + idle + wait + irq + soft + steal
    counted++
  }
  return { used, stolen, passed: passed / Math.max(1, counted) }
}

function readTicks({ relay, others }: Placement): CpuTicks | null {
  try {
    const cores = relay === null || others === null ? [] : [relay, others]
    return { ...readCores(readFileSync('/proc/stat', 'utf8'), cores), own: ownTicks(process.pid) }
  } catch {
    return null
  }
}

/** The ticks of a process, its threads, its children, and those of its children that have ended. */
function ownTicks(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    let ticks = 0
    for (const field of fields.slice(11, 15)) ticks += Number(field)
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const children = readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8')
      for (const child of children.split(' ').filter(Boolean)) ticks += ownTicks(Number(child))
    }
    return ticks
  } catch {
    // It has ended meanwhile.
    return 0
  }
}
