import { formatKey, quoteName } from '../exchange/log-text.js'
import { formatPath } from '../exchange/shown-path.js'
import type { RequestSummary } from '../exchange/summary.js'
import { formatMs, formatTime, quoteJson } from '../lib/text.js'
import { computeCost, type Prices } from './prices.js'

/** Version of the record format. Added fields do not change it. */
const VERSION = 1

/** Longest user agent in a record, in characters. */
const MAX_USER_AGENT = 200

/**
 * Formats the ledger record of a request: one flat JSON object and a line end. An unknown value is null, never 0. The
 * record has no credential and nothing of a prompt or an answer.
 * @param writer identifies one start of the relay
 * @param seq counts the records of one writer, from 1 and without gaps
 * @param prices null if costs are switched off
 */
export function formatRecord(
  summary: RequestSummary,
  writer: string,
  seq: number,
  prices: Prices | null,
): string {
  const { stats, overheadMs } = summary
  const { usage, source } = summary.usage
  const price = usage === null ? null : (prices?.find(stats?.model ?? null, summary.request.model) ?? null)
  const cost = source === 'cache' ? 0 : usage === null || price === null ? null : computeCost(price, usage)
  const saved = summary.savedUsage?.usage ?? null
  const savedCost = saved === null || price === null ? null : computeCost(price, saved)
  return (
    `{"v":${VERSION},"id":"${summary.request.id}","seq":${seq},"writer":"${writer}","ts":"${formatTime(summary.request.receivedAt)}",` +
    `${formatKey(summary.request.key)},"route":"${formatPath(summary)}","dialect":"${summary.request.api}","model":${quoteName(summary.request.model)},` +
    `"upstream_model":${quoteName(stats?.model ?? null)},"upstream":${quoteName(summary.outcome.upstream)},"attempts":${summary.outcome.attempts},` +
    `"failed_attempts":${quoteName(summary.outcome.failures)},` +
    `"dropped_fields":${quoteName(summary.outcome.droppedFields)},` +
    `"stream":${summary.request.stream},"status":${summary.outcome.status},"end":"${summary.outcome.end}","phase":"${summary.outcome.phase}","cache":${quoteJson(summary.outcome.cache)},` +
    `"prompt_tokens":${usage?.prompt ?? null},"cached_tokens":${usage?.cached ?? null},` +
    `"cache_write_tokens":${usage?.cacheWritten ?? null},"completion_tokens":${usage?.completion ?? null},` +
    `"reasoning_tokens":${usage?.reasoning ?? null},"usage_source":"${source}",` +
    `"cost_usd":${cost === null ? null : formatUsd(cost)},"price_source":${cost === null ? null : quoteName(price?.source ?? null)},` +
    `"saved_tokens":${saved === null ? null : (saved.prompt ?? 0) + (saved.completion ?? 0)},` +
    `"saved_usd":${savedCost === null ? null : formatUsd(savedCost)},` +
    `"bytes_in":${summary.outcome.bytesIn},"bytes_out":${summary.outcome.bytesOut},` +
    `"events":${stats?.events ?? null},"unparsed_events":${stats?.unparsed ?? null},"unread_events":${stats?.unparsed ?? null},"tool_calls":${stats?.toolCalls ?? null},` +
    `"finish_reason":${quoteName(stats?.finishReason ?? null)},"stream_error":${quoteName(stats?.error ?? null)},` +
    `"read_ms":${formatMs(summary.timeline.bodyMs)},"ttft_ms":${formatMs(summary.firstTokenMs)},"upstream_ttfb_ms":${formatMs(summary.timeline.upstreamMs)},` +
    `"total_ms":${formatMs(summary.totalMs)},"overhead_us":${overheadMs === null ? null : Math.round(overheadMs * 1_000)},` +
    `"gap_max_ms":${formatMs(summary.outcome.longestGapMs)},"user_agent":${quoteName(summary.request.userAgent?.slice(0, MAX_USER_AGENT) ?? null)},` +
    `"trace_id":${quoteJson(summary.request.traceId)},"error_code":${quoteJson(summary.outcome.errorCode)}}\n`
  )
}

/** Rounds to a billionth of a dollar: smaller fractions are errors of binary arithmetic. */
function formatUsd(cost: number): string {
  return String(Number(cost.toFixed(9)))
}

/** Whether a request belongs in the ledger: health probes and CORS preflights do not, as they cost nothing. */
export function isRecorded(summary: RequestSummary): boolean {
  return summary.outcome.end !== 'local' || summary.outcome.phase !== 'admit'
}
