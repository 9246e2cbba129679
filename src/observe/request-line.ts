import { formatPath } from '../exchange/shown-path.js'
import type { RequestSummary } from '../exchange/summary.js'
import { formatMs, formatTime, quoteJson } from '../lib/text.js'
import { formatKey, quoteName, redactText } from './log-text.js'

/**
 * The line of a request that is over, as JSON in pino's format with a line end behind it. Every field is there in every line,
 * null where it is not known. Fields are chosen one by one, so that no header, body or credential can come along.
 * @param level pino's number for it
 */
export function formatRequestLine(summary: RequestSummary, level: number): string {
  const { stats } = summary
  const { usage, source } = summary.usage
  return (
    `{"level":${level},"time":"${formatTime(summary.settledAt)}","id":"${summary.id}","end":"${summary.end}","status":${summary.status},` +
    `"method":"${summary.method}","path":"${formatPath(summary)}",${formatKey(summary.key)},"model":${quoteName(summary.model)},` +
    `"stream":${summary.stream},"upstream":${quoteName(summary.upstream)},"attempts":${summary.attempts},"failed_attempts":${quoteName(summary.failures)},` +
    `"upstream_request_id":${quoteJson(summary.upstreamRequestId)},` +
    `"error_code":${quoteJson(summary.errorCode)},"cause":${quoteJson(summary.cause)},"phase":"${summary.phase}","bytes_in":${summary.bytesIn},` +
    `"bytes_out":${summary.bytesOut},"pieces":${summary.pieces},"upstream_model":${quoteName(stats?.model ?? null)},` +
    `"prompt_tokens":${usage?.prompt ?? null},"cached_tokens":${usage?.cached ?? null},` +
    `"completion_tokens":${usage?.completion ?? null},"reasoning_tokens":${usage?.reasoning ?? null},` +
    `"usage_source":"${source}","deltas":${stats?.deltas ?? null},"finish_reason":${quoteName(stats?.finishReason ?? null)},` +
    `"stream_error":${quoteName(stats?.error ?? null)},"ttft_ms":${formatMs(summary.firstTokenMs)},` +
    `"upstream_ttfb_ms":${formatMs(summary.upstreamMs)},"overhead_ms":${formatMs(summary.overheadMs)},` +
    `"total_ms":${formatMs(summary.totalMs)},"msg":"${describe(summary)}"}\n`
  )
}

/** What a person wants to see of a request, in one line; as it stands in JSON, but for the quotes. */
function describe(summary: RequestSummary): string {
  const { end, errorCode, key } = summary
  let text = `${summary.method} ${formatPath(summary)} ${summary.status === 0 ? '-' : summary.status}`
  if (end !== 'done' && end !== null) text += ` ${end}`
  if (errorCode !== null && errorCode !== end) text += ` ${errorCode}`
  text += ` ${duration(summary.totalMs)}`
  if (key !== null) text += ` ${key.team}/${key.user}`
  if (summary.model !== null) text += ` ${redactText(summary.model)}`
  if (summary.upstream !== null) text += ` via ${redactText(summary.upstream)}`
  if (summary.failures !== null) text += ` after ${redactText(summary.failures)}`
  return text
}

function duration(ms: number): string {
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(1)}s`
  if (ms >= 10) return `${Math.round(ms)}ms`
  const tenths = Math.round(ms * 10)
  return `${Math.trunc(tenths / 10)}.${tenths % 10}ms`
}
