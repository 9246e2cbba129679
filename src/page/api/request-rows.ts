import type { JsonObject } from '../../json/values.js'
import { isError } from '../../ledger/read/entry.js'
import { parseNanoUsd } from '../../lib/nano-usd.js'
import type { RequestDetail, RequestRow, Span } from '../shapes.js'

/** What a list shows of a record of the ledger. */
export function toRow(record: JsonObject): RequestRow {
  const { user } = record
  const usd = asNumber(record.cost_usd)
  return {
    id: asText(record.id) ?? '',
    at: Date.parse(asText(record.ts) ?? '') || 0,
    key: asText(record.key),
    owner: typeof user === 'string' ? `${asText(record.team) ?? '-'}/${user}` : null,
    model: asText(record.model),
    upstream: asText(record.upstream),
    status: asNumber(record.status),
    end: asText(record.end) ?? '',
    cache: asText(record.cache),
    stream: typeof record.stream === 'boolean' ? record.stream : null,
    promptTokens: asNumber(record.prompt_tokens),
    completionTokens: asNumber(record.completion_tokens),
    costNano: usd === null ? null : Number(parseNanoUsd(usd)),
    firstTokenMs: asNumber(record.ttft_ms),
    totalMs: asNumber(record.total_ms),
    addedUs: asNumber(record.overhead_us),
    isError: isError({
      status: asNumber(record.status),
      end: asText(record.end),
      streamError: asText(record.stream_error),
    }),
  }
}

/** One record, whole. */
export function toDetail(record: JsonObject): RequestDetail {
  return {
    row: toRow(record),
    spans: listSpans(record),
    failedAttempts: asText(record.failed_attempts),
    attempts: asNumber(record.attempts) ?? 0,
    record,
  }
}

/**
 * Lays the phases of a record out in time. The record has their lengths: each begins where the one before it ends. What
 * failed before the upstream that answered has no length of its own, so that it is the gap before the first token.
 */
function listSpans(record: JsonObject): Span[] {
  const spans: Span[] = []
  let at = 0
  const add = (name: string, lengthUs: number | null, isOurs: boolean): void => {
    if (lengthUs === null) return
    spans.push({ name, startUs: at, lengthUs: Math.max(0, Math.round(lengthUs)), isOurs })
    at += Math.max(0, Math.round(lengthUs))
  }
  const us = (name: string): number | null => {
    const ms = asNumber(record[name])
    return ms === null ? null : ms * 1_000
  }
  const [read, readMs] = [asNumber(record.read_us), us('read_ms')]
  add('admit', asNumber(record.admit_us), true)
  add('upload', readMs === null ? null : readMs - (read ?? 0), false)
  add('read', read, true)
  add('plan', asNumber(record.plan_us), true)
  add('cache', asNumber(record.cache_us), true)
  const attempt = asNumber(record.attempt_us)
  add('attempt', attempt, true)
  const firstByte = us('upstream_ttfb_ms')
  add('upstream', firstByte === null ? null : firstByte - (attempt ?? 0), false)
  add('respond', asNumber(record.respond_us), true)
  const [firstToken, total] = [us('ttft_ms'), us('total_ms')]
  if (total === null) return spans
  // Of an answer that is no stream, the first token is read when all of it is there.
  if (firstToken !== null) at = Math.max(at, Math.min(Math.round(firstToken), Math.round(total)))
  if (firstByte !== null || firstToken !== null) add('tokens', total - at, false)
  // It was waited for an upstream, and none responded.
  else if ((asNumber(record.attempts) ?? 0) > 0) add('upstream', total - at, false)
  return spans
}

function asText(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

function asNumber(value: unknown): number | null {
  return typeof value === 'number' ? value : null
}
