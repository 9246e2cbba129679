import { formatPath } from '../exchange/shown-path.js'
import type { RequestSummary } from '../exchange/summary.js'
import { formatMs, formatTime, quoteJson } from '../lib/text.js'
import { formatKey, quoteName } from '../observe/log-text.js'
import { computeCost, type Prices } from './prices.js'

/** Of the fields and what they mean. Fields are only ever added, which does not change it. */
const VERSION = 1

/** Who called and with what is told in so many characters. */
const LONGEST_AGENT = 200

/**
 * The record of a request in the ledger: one flat JSON object, with a line end behind it. What is not known is null,
 * never 0. Nothing of a prompt, an answer or a credential is in it.
 * @param seq counts the records of one writer, from 1 and without gaps
 * @param prices null where none are wanted
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
    `"stream":${summary.request.stream},"status":${summary.outcome.status},"end":"${summary.outcome.end}","phase":"${summary.outcome.phase}","cache":${quoteJson(summary.outcome.cache)},` +
    `"prompt_tokens":${usage?.prompt ?? null},"cached_tokens":${usage?.cached ?? null},` +
    `"cache_write_tokens":${usage?.cacheWritten ?? null},"completion_tokens":${usage?.completion ?? null},` +
    `"reasoning_tokens":${usage?.reasoning ?? null},"usage_source":"${source}",` +
    `"cost_usd":${cost === null ? null : dollars(cost)},"price_source":${cost === null ? null : quoteName(price?.source ?? null)},` +
    `"saved_tokens":${saved === null ? null : (saved.prompt ?? 0) + (saved.completion ?? 0)},` +
    `"saved_usd":${savedCost === null ? null : dollars(savedCost)},` +
    `"bytes_in":${summary.outcome.bytesIn},"bytes_out":${summary.outcome.bytesOut},` +
    `"events":${stats?.events ?? null},"unparsed_events":${stats?.unparsed ?? null},"unread_events":${stats?.unparsed ?? null},"tool_calls":${stats?.toolCalls ?? null},` +
    `"finish_reason":${quoteName(stats?.finishReason ?? null)},"stream_error":${quoteName(stats?.error ?? null)},` +
    `"read_ms":${formatMs(summary.timeline.bodyMs)},"ttft_ms":${formatMs(summary.firstTokenMs)},"upstream_ttfb_ms":${formatMs(summary.timeline.upstreamMs)},` +
    `"total_ms":${formatMs(summary.totalMs)},"overhead_us":${overheadMs === null ? null : Math.round(overheadMs * 1_000)},` +
    `"gap_max_ms":${formatMs(summary.outcome.longestGapMs)},"user_agent":${quoteName(summary.request.userAgent?.slice(0, LONGEST_AGENT) ?? null)},` +
    `"trace_id":${quoteJson(summary.request.traceId)},"error_code":${quoteJson(summary.outcome.errorCode)}}\n`
  )
}

/** To a billionth: fractions of it come from nothing but binary arithmetic. */
function dollars(cost: number): string {
  return String(Number(cost.toFixed(9)))
}

/** Probes of the relay's health and CORS preflights ask for nothing that anybody pays for. */
export function isRecorded(summary: RequestSummary): boolean {
  return summary.outcome.end !== 'local' || summary.outcome.phase !== 'admit'
}
