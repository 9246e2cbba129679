import { shownPath } from '../exchange/shown-path.js'
import type { Settled } from '../exchange/summary.js'
import { decimal, json, timeText } from '../lib/text.js'
import { keyText, quoted, told } from './log-text.js'

/**
 * The line of a request that is over, as JSON in pino's format with a line end behind it. Every field is there in every line,
 * null where it is not known. Fields are chosen one by one, so that no header, body or credential can come along.
 * @param level pino's number for it
 */
export function requestLine(s: Settled, level: number): string {
  const { seen } = s
  const { usage, source } = s.account
  return (
    `{"level":${level},"time":"${timeText(s.settledAt)}","id":"${s.id}","end":"${s.end}","status":${s.status},` +
    `"method":"${s.method}","path":"${shownPath(s)}",${keyText(s.key)},"model":${quoted(s.model)},` +
    `"stream":${s.stream},"upstream":${quoted(s.upstream)},"attempts":${s.attempts},"failed_attempts":${quoted(s.failures)},` +
    `"upstream_request_id":${json(s.upstreamRequestId)},` +
    `"error_code":${json(s.errorCode)},"cause":${json(s.cause)},"phase":"${s.phase}","bytes_in":${s.bytesIn},` +
    `"bytes_out":${s.bytesOut},"pieces":${s.pieces},"upstream_model":${quoted(seen?.model ?? null)},` +
    `"prompt_tokens":${usage?.prompt ?? null},"cached_tokens":${usage?.cached ?? null},` +
    `"completion_tokens":${usage?.completion ?? null},"reasoning_tokens":${usage?.reasoning ?? null},` +
    `"usage_source":"${source}","deltas":${seen?.deltas ?? null},"finish_reason":${quoted(seen?.finishReason ?? null)},` +
    `"stream_error":${quoted(seen?.error ?? null)},"ttft_ms":${decimal(s.firstTokenMs)},` +
    `"upstream_ttfb_ms":${decimal(s.upstreamMs)},"overhead_ms":${decimal(s.overheadMs)},` +
    `"total_ms":${decimal(s.totalMs)},"msg":"${summary(s)}"}\n`
  )
}

/** What a person wants to see of a request, in one line; as it stands in JSON, but for the quotes. */
function summary(s: Settled): string {
  const { end, errorCode, key } = s
  let text = `${s.method} ${shownPath(s)} ${s.status === 0 ? '-' : s.status}`
  if (end !== 'done' && end !== null) text += ` ${end}`
  if (errorCode !== null && errorCode !== end) text += ` ${errorCode}`
  text += ` ${duration(s.totalMs)}`
  if (key !== null) text += ` ${key.team}/${key.user}`
  if (s.model !== null) text += ` ${told(s.model)}`
  if (s.upstream !== null) text += ` via ${told(s.upstream)}`
  if (s.failures !== null) text += ` after ${told(s.failures)}`
  return text
}

function duration(ms: number): string {
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(1)}s`
  if (ms >= 10) return `${Math.round(ms)}ms`
  const tenths = Math.round(ms * 10)
  return `${Math.trunc(tenths / 10)}.${tenths % 10}ms`
}
