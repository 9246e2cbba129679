import type { UsageRecord } from '../schema.js'

/** What is read of a record. Null is what is not known, or not what it should be. */
export interface Entry {
  readonly writer: string
  readonly seq: number
  readonly ts: string | null
  readonly key: string | null
  readonly team: string | null
  readonly user: string | null
  readonly model: string | null
  readonly upstream: string | null
  readonly status: number | null
  readonly end: string | null
  readonly promptTokens: number | null
  readonly cachedTokens: number | null
  readonly completionTokens: number | null
  readonly usageSource: string | null
  readonly costUsd: number | null
  readonly ttftMs: number | null
  readonly totalMs: number | null
  readonly overheadUs: number | null
}

/** A record, with what makes it one. */
interface Identified {
  readonly writer: string
  readonly seq: number
  readonly fields: Fields
}

/**
 * A line that says it is a record: the compiler knows names and types of its fields from the schema. Whether it keeps to
 * them is looked at for those that are read, one by one, as parsing each line with the schema would take far longer.
 */
type Fields = Partial<UsageRecord>

/**
 * @param line of the ledger, without its end
 * @returns null if it is no record, but what a crash or a full disk has left of one
 */
export function readIdentity(line: string): Identified | null {
  let fields: Fields | null
  try {
    fields = JSON.parse(line) as Fields | null
  } catch {
    return null
  }
  if (typeof fields !== 'object' || fields === null) return null
  const { writer, seq } = fields
  if (typeof writer !== 'string' || seq === undefined || !Number.isSafeInteger(seq) || seq < 1) return null
  return { writer, seq, fields }
}

/** As `identify`, with what is told of it. */
export function readEntry(line: string): Entry | null {
  const found = readIdentity(line)
  if (found === null) return null
  const { writer, seq, fields } = found
  return {
    writer,
    seq,
    ts: text(fields.ts),
    key: text(fields.key),
    team: text(fields.team),
    user: text(fields.user),
    model: text(fields.model),
    upstream: text(fields.upstream),
    status: number(fields.status),
    end: text(fields.end),
    promptTokens: number(fields.prompt_tokens),
    cachedTokens: number(fields.cached_tokens),
    completionTokens: number(fields.completion_tokens),
    usageSource: text(fields.usage_source),
    costUsd: number(fields.cost_usd),
    ttftMs: number(fields.ttft_ms),
    totalMs: number(fields.total_ms),
    overheadUs: number(fields.overhead_us),
  }
}

/** Ends that are nobody's failure; a client that goes away does so of its own will. */
const FINE_ENDS: ReadonlySet<string | null> = new Set(['done', 'local', 'client_gone'])

/** Whether a request failed: by its status, or by the way it ended. */
export function isError({ status, end }: Pick<Entry, 'status' | 'end'>): boolean {
  return status === null || status >= 400 || !FINE_ENDS.has(end)
}

/** A person as people write it, with the team: there may be an alice in each. */
export function findOwner({ team, user }: Pick<Entry, 'team' | 'user'>): string | null {
  return user === null ? null : `${team ?? '-'}/${user}`
}

function text(value: string | null | undefined): string | null {
  return typeof value === 'string' ? value : null
}

function number(value: number | null | undefined): number | null {
  return typeof value === 'number' && value >= 0 ? value : null
}
