import { type Dimensions, type Entry, findOwner, findTag } from './entry.js'
import type { Zone } from './zone.js'

/** What a report groups requests by. */
export interface Grouping {
  /** As it was requested: `user`, `tag:project`. */
  readonly name: string
  /** Groups are shown in the order of time. */
  readonly isTime: boolean
  /** The group cannot be told from sums by dimensions. */
  readonly needsRecords: boolean
  /** Finds the group of a request; null if it is unknown. */
  readonly find: (of: Dimensions & Partial<Pick<Entry, 'sessionId'>>) => string | null
}

type Find = Grouping['find']

const PLAIN: Readonly<Record<string, Find>> = {
  team: ({ team }) => team,
  user: findOwner,
  key: ({ key }) => key,
  env: ({ env }) => env,
  model: ({ model }) => model,
  upstream_model: ({ upstreamModel }) => upstreamModel,
  upstream: ({ upstream }) => upstream,
  end: ({ end }) => end,
  request_class: ({ requestClass }) => requestClass,
  service_tier: ({ serviceTier }) => serviceTier,
  session: ({ sessionId = null }) => sessionId,
}

const TIMES: Readonly<Record<string, (zone: Zone, at: number) => string>> = {
  hour: (zone, at) => zone.formatHour(at),
  day: (zone, at) => zone.formatDay(at),
  month: (zone, at) => zone.formatMonth(at),
}

/** The names of all groupings. */
export const GROUPING_NAMES: readonly string[] = [...Object.keys(PLAIN), ...Object.keys(TIMES), 'tag:NAME']

/** Parses the name of a grouping. @param zone of hours, days and months @returns null if there is none of this name */
export function parseGrouping(name: string, zone: Zone): Grouping | null {
  const find = findPlain(name)
  if (find !== null) return { name, isTime: false, needsRecords: name === 'session', find }
  if (Object.hasOwn(TIMES, name)) {
    const format = TIMES[name] as (zone: Zone, at: number) => string
    // Formatting a time takes longer than all the rest.
    const kept = new Kept((text) => format(zone, Number(text) * MINUTE_MS))
    const findTime: Find = ({ at }) => (at === null ? null : kept.get(String(Math.floor(at / MINUTE_MS))))
    return { name, isTime: true, needsRecords: false, find: findTime }
  }
  return null
}

const MINUTE_MS = 60_000

function findPlain(name: string): Find | null {
  if (Object.hasOwn(PLAIN, name)) return PLAIN[name] as Find
  const [, tag] = /^tag:([a-z][a-z0-9_.-]{0,31})$/i.exec(name) ?? []
  if (tag === undefined) return null
  const kept = new Kept((tags) => findTag(tags, tag.toLowerCase()))
  return ({ tags }) => (tags === null ? null : kept.get(tags))
}

const MAX_KEPT = 20_000

/** Keeps the results of a function of a text. */
class Kept<T> {
  private readonly compute: (text: string) => T
  private readonly results: Map<string, T>

  constructor(compute: (text: string) => T) {
    this.compute = compute
    this.results = new Map()
  }

  get(text: string): T {
    const kept = this.results.get(text)
    if (kept !== undefined) return kept
    if (this.results.size >= MAX_KEPT) this.results.clear()
    const result = this.compute(text)
    this.results.set(text, result)
    return result
  }
}
