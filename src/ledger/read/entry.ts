import { findFailureSign } from '../../exchange/failed-request.js'
import type { UsageRecord } from '../schema.js'

/** The fields of a record that reports read. A value is null if it is unknown or of the wrong type. */
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
  readonly streamError: string | null
  readonly promptTokens: number | null
  readonly cachedTokens: number | null
  readonly completionTokens: number | null
  readonly usageSource: string | null
  readonly costUsd: number | null
  readonly ttftMs: number | null
  readonly totalMs: number | null
  readonly overheadUs: number | null
}

/** A record and its identity. */
interface IdentifiedRecord {
  readonly writer: string
  readonly seq: number
  readonly fields: Fields
}

/**
 * Fields of a line that claims to be a record; names and types come from the schema. Each field is checked when it is
 * read, as parsing each line with the schema would take far longer.
 */
type Fields = Partial<UsageRecord>

/**
 * Reads the identity of a record.
 * @param line without its line end
 * @returns null if the line is not a record, such as a line that a crash or a full disk has torn
 */
export function readIdentity(line: string): IdentifiedRecord | null {
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

/** Reads a record for a report. @returns null as `readIdentity` */
export function readEntry(line: string): Entry | null {
  const found = readIdentity(line)
  if (found === null) return null
  const { writer, seq, fields } = found
  return {
    writer,
    seq,
    ts: asText(fields.ts),
    key: asText(fields.key),
    team: asText(fields.team),
    user: asText(fields.user),
    model: asText(fields.model),
    upstream: asText(fields.upstream),
    status: asNumber(fields.status),
    end: asText(fields.end),
    streamError: asText(fields.stream_error),
    promptTokens: asNumber(fields.prompt_tokens),
    cachedTokens: asNumber(fields.cached_tokens),
    completionTokens: asNumber(fields.completion_tokens),
    usageSource: asText(fields.usage_source),
    costUsd: asNumber(fields.cost_usd),
    ttftMs: asNumber(fields.ttft_ms),
    totalMs: asNumber(fields.total_ms),
    overheadUs: asNumber(fields.overhead_us),
  }
}

/** Whether a request failed, as metrics count it. */
export function isError({
  status,
  end,
  streamError,
}: Pick<Entry, 'status' | 'end' | 'streamError'>): boolean {
  return findFailureSign(status, end, streamError) !== null
}

/** Formats the owner as `team/user`, as two teams may each have a user of the same name; null if unknown. */
export function findOwner({ team, user }: Pick<Entry, 'team' | 'user'>): string | null {
  return user === null ? null : `${team ?? '-'}/${user}`
}

function asText(value: string | null | undefined): string | null {
  return typeof value === 'string' ? value : null
}

function asNumber(value: number | null | undefined): number | null {
  return typeof value === 'number' && value >= 0 ? value : null
}
