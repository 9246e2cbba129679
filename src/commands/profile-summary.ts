import { type CallFrame, ProfileFrame } from './profile-frame.js'
import { ACTIVITIES, type Activity } from './profile-phases.js'

/** A `.cpuprofile`, as far as it is read. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[]
  /** Ids of nodes. */
  readonly samples: readonly number[]
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[]
  readonly startTime: number
  readonly endTime: number
  /** What the relay adds; missing in a profile of Node's own. */
  readonly thinwire?: Partial<ProfileFactsRead>
}

/** See `ProfileFacts` in `admin`. */
interface ProfileFactsRead {
  readonly version: unknown
  readonly seconds: unknown
  readonly requests: unknown
  readonly cpu_us: unknown
}

interface ProfileNode {
  readonly id: number
  readonly callFrame: CallFrame
  readonly children?: readonly number[]
}

/** Time of something, in milliseconds. */
export interface Share {
  readonly name: string
  readonly ms: number
}

/** Where the time of a profile went. The shares of each list add up to `busy_ms`. */
export interface ProfileSummary {
  readonly samples: number
  readonly total_ms: number
  readonly busy_ms: number
  readonly idle_ms: number
  /** Null in a profile that no relay took. */
  readonly requests: number | null
  /** CPU time of all threads; null likewise. */
  readonly cpu_ms: number | null
  readonly phases: readonly Share[]
  /** The largest first. */
  readonly modules: readonly Share[]
  /** The largest first. */
  readonly functions: readonly Share[]
}

/** Reads a `.cpuprofile`. @returns null if the text is none */
export function parseProfile(text: string): CpuProfile | null {
  let value: Partial<CpuProfile> | null
  try {
    value = JSON.parse(text) as Partial<CpuProfile> | null
  } catch {
    return null
  }
  if (typeof value !== 'object' || value === null) return null
  const { nodes, samples, timeDeltas, startTime, endTime } = value
  const isProfile =
    Array.isArray(nodes) &&
    nodes.every(isNode) &&
    isNumbers(samples) &&
    isNumbers(timeDeltas) &&
    samples.length === timeDeltas.length &&
    Number.isFinite(startTime) &&
    Number.isFinite(endTime)
  return isProfile ? (value as CpuProfile) : null
}

function isNumbers(list: unknown): list is number[] {
  return Array.isArray(list) && list.every((each) => Number.isFinite(each))
}

function isNode(node: Partial<ProfileNode> | null): boolean {
  const { functionName, url, lineNumber } = node?.callFrame ?? {}
  return (
    Number.isFinite(node?.id) &&
    typeof functionName === 'string' &&
    typeof url === 'string' &&
    Number.isFinite(lineNumber)
  )
}

/** Sums up a profile. A sample counts for the time until the next one. */
export function summarizeProfile(profile: CpuProfile): ProfileSummary {
  const { samples, timeDeltas, startTime, endTime, thinwire } = profile
  const places = placeNodes(profile)
  const phases = new Map<string, number>(ACTIVITIES.map((name) => [name, 0]))
  const modules = new Map<string, number>()
  const functions = new Map<string, number>()
  let [busy, idle, at] = [0, 0, startTime]
  for (const [i, id] of samples.entries()) {
    at += timeDeltas[i] as number
    const until = i + 1 < samples.length ? at + (timeDeltas[i + 1] as number) : endTime
    // The profiler may note two samples in the wrong order.
    const us = Math.max(0, until - at)
    const place = places.get(id)
    if (place === undefined) continue
    if (place.frame.isIdle) {
      idle += us
      continue
    }
    busy += us
    add(phases, place.activity, us)
    add(modules, place.frame.module, us)
    add(functions, place.frame.title, us)
  }
  const { requests, cpu_us } = thinwire ?? {}
  return {
    samples: samples.length,
    total_ms: (busy + idle) / 1_000,
    busy_ms: busy / 1_000,
    idle_ms: idle / 1_000,
    requests: asNumber(requests),
    cpu_ms: asNumber(cpu_us) === null ? null : (cpu_us as number) / 1_000,
    phases: [...phases].map(([name, us]) => ({ name, ms: us / 1_000 })),
    modules: sort(modules),
    functions: sort(functions),
  }
}

/** A place in the tree of calls: a function, and what it was called for. */
interface Place {
  readonly frame: ProfileFrame
  readonly activity: Activity
}

/** Finds out for each node what its time was for: the innermost function that tells it decides. */
function placeNodes({ nodes }: CpuProfile): ReadonlyMap<number, Place> {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const isChild = new Set(nodes.flatMap(({ children }) => children ?? []))
  const places = new Map<number, Place>()
  const open = nodes
    .filter(({ id }) => !isChild.has(id))
    .map(({ id }) => ({ id, firm: null as Activity | null, loop: null as Activity | null }))
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const node = byId.get(next.id)
    // In a file that was tampered with, a node may be its own ancestor.
    if (node === undefined || places.has(node.id)) continue
    const frame = new ProfileFrame(node.callFrame)
    // The root stands for nothing that is below it.
    const isRoot = node.callFrame.functionName === '(root)'
    const firm = isRoot ? null : (frame.activity ?? next.firm)
    const loop = frame.loopActivity ?? next.loop
    places.set(node.id, { frame, activity: isRoot ? 'native' : (firm ?? loop ?? 'other') })
    for (const id of node.children ?? []) open.push({ id, firm, loop })
  }
  return places
}

function add(sums: Map<string, number>, name: string, us: number): void {
  sums.set(name, (sums.get(name) ?? 0) + us)
}

function sort(sums: ReadonlyMap<string, number>): Share[] {
  return [...sums].map(([name, us]) => ({ name, ms: us / 1_000 })).sort((a, b) => b.ms - a.ms)
}

function asNumber(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null
}
