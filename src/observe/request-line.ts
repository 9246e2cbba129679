import { formatKey, quoteName, redactText } from '../exchange/log-text.js'
import { formatPath } from '../exchange/shown-path.js'
import type { RequestSummary } from '../exchange/summary.js'
import { formatMs, formatTime, quoteJson } from '../lib/text.js'

/**
 * Formats the log line of a request: JSON in pino's format, and a line end. Every line has every field; unknown values
 * are null. A line that stands for many refusals has their number, too. Fields are chosen one by one, so that no
 * header, body or credential gets into the log.
 * @param level number of the level in pino
 * @param worker number of the worker; null for a relay of one process
 */
export function formatRequestLine(
  summary: RequestSummary,
  level: number,
  worker: number | null = null,
): string {
  const { stats } = summary
  const where = worker === null ? '' : `"worker":${worker},`
  const { usage, source } = summary.usage
  return (
    `{"level":${level},"time":"${formatTime(summary.closedAt)}",${where}"id":"${summary.request.id}","end":"${summary.outcome.end}","status":${summary.outcome.status},` +
    `"method":"${summary.request.method}","path":"${formatPath(summary)}",${formatKey(summary.request.key)},"model":${quoteName(summary.request.model)},` +
    `"stream":${summary.request.stream},"upstream":${quoteName(summary.outcome.upstream)},"attempts":${summary.outcome.attempts},"failed_attempts":${quoteName(summary.outcome.failures)},` +
    `"upstream_request_id":${quoteName(summary.outcome.upstreamRequestId)},` +
    `"error_code":${quoteJson(summary.outcome.errorCode)},"limit_rule":${quoteName(summary.outcome.limitRule)},"cause":${quoteJson(summary.outcome.cause)},"phase":"${summary.outcome.phase}","bytes_in":${summary.outcome.bytesIn},` +
    `"bytes_out":${summary.outcome.bytesOut},"pieces":${summary.outcome.chunks},"upstream_model":${quoteName(stats?.model ?? null)},` +
    `"prompt_tokens":${usage?.prompt ?? null},"cached_tokens":${usage?.cached ?? null},` +
    `"completion_tokens":${usage?.completion ?? null},"reasoning_tokens":${usage?.reasoning ?? null},` +
    `"usage_source":"${source}","deltas":${stats?.deltas ?? null},"finish_reason":${quoteName(stats?.finishReason ?? null)},` +
    `"stream_error":${quoteName(stats?.error ?? null)},"ttft_ms":${formatMs(summary.firstTokenMs)},` +
    `"upstream_ttfb_ms":${formatMs(summary.timeline.upstreamMs)},"overhead_ms":${formatMs(summary.overheadMs)},` +
    `"total_ms":${formatMs(summary.totalMs)},${formatCount(summary)}"msg":"${describe(summary)}"}\n`
  )
}

/** How many requests the line stands for, and whose; nothing for a single one. */
function formatCount({ requests, request }: RequestSummary): string {
  return requests === 1 ? '' : `"requests":${requests},"client_address":${quoteJson(request.clientAddress)},`
}

/** Summarizes a request for people, in one line. @returns the text as it stands between the quotes of a JSON string */
function describe(summary: RequestSummary): string {
  const { end, errorCode, limitRule } = summary.outcome
  const { key, clientAddress } = summary.request
  if (summary.requests > 1)
    return `${summary.requests} more requests refused, from ${clientAddress ?? 'many addresses'}`
  let text = `${summary.request.method} ${formatPath(summary)} ${summary.outcome.status ?? '-'}`
  if (end !== 'done' && end !== null) text += ` ${end}`
  if (errorCode !== null && errorCode !== end) text += ` ${errorCode}`
  if (limitRule !== null) text += ` by ${redactText(limitRule)}`
  text += ` ${formatDuration(summary.totalMs)}`
  if (key !== null) text += ` ${key.team}/${key.user}`
  if (summary.request.model !== null) text += ` ${redactText(summary.request.model)}`
  if (summary.outcome.upstream !== null) text += ` via ${redactText(summary.outcome.upstream)}`
  if (summary.outcome.failures !== null) text += ` after ${redactText(summary.outcome.failures)}`
  return text
}

function formatDuration(ms: number): string {
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(1)}s`
  if (ms >= 10) return `${Math.round(ms)}ms`
  const tenths = Math.round(ms * 10)
  return `${Math.trunc(tenths / 10)}.${tenths % 10}ms`
}
