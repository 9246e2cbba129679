import { shownPath } from '../exchange/shown-path.js'
import type { Settled } from '../exchange/summary.js'
import { decimal, json, timeText } from '../lib/text.js'
import { keyText, quoted } from '../observe/log-text.js'
import { costOf, type Prices } from './prices.js'

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
export function recordLine(s: Settled, writer: string, seq: number, prices: Prices | null): string {
  const { seen } = s
  const { usage, source } = s.account
  const price = usage === null ? null : (prices?.find(seen?.model ?? null, s.model) ?? null)
  const cost = source === 'cache' ? 0 : usage === null || price === null ? null : costOf(price, usage)
  const saved = s.saved?.usage ?? null
  const savedCost = saved === null || price === null ? null : costOf(price, saved)
  return (
    `{"v":${VERSION},"id":"${s.id}","seq":${seq},"writer":"${writer}","ts":"${timeText(s.receivedAt)}",` +
    `${keyText(s.key)},"route":"${shownPath(s)}","dialect":"${s.dialect}","model":${quoted(s.model)},` +
    `"upstream_model":${quoted(seen?.model ?? null)},"upstream":${quoted(s.upstream)},"attempts":${s.attempts},` +
    `"failed_attempts":${quoted(s.failures)},` +
    `"stream":${s.stream},"status":${s.status === 0 ? null : s.status},"end":"${s.end}","cache":${json(s.cache)},` +
    `"prompt_tokens":${usage?.prompt ?? null},"cached_tokens":${usage?.cached ?? null},` +
    `"cache_write_tokens":${usage?.cacheWritten ?? null},"completion_tokens":${usage?.completion ?? null},` +
    `"reasoning_tokens":${usage?.reasoning ?? null},"usage_source":"${source}",` +
    `"cost_usd":${cost === null ? null : dollars(cost)},"price_source":${cost === null ? null : quoted(price?.source ?? null)},` +
    `"saved_tokens":${saved === null ? null : (saved.prompt ?? 0) + (saved.completion ?? 0)},` +
    `"saved_usd":${savedCost === null ? null : dollars(savedCost)},` +
    `"bytes_in":${s.bytesIn},"bytes_out":${s.bytesOut},` +
    `"events":${seen?.events ?? null},"unread_events":${seen?.odd ?? null},"tool_calls":${seen?.toolCalls ?? null},` +
    `"finish_reason":${quoted(seen?.finishReason ?? null)},"stream_error":${quoted(seen?.error ?? null)},` +
    `"read_ms":${decimal(s.readMs)},"ttft_ms":${decimal(s.firstTokenMs)},"upstream_ttfb_ms":${decimal(s.upstreamMs)},` +
    `"total_ms":${decimal(s.totalMs)},"overhead_us":${s.overheadMs === -1 ? null : Math.round(s.overheadMs * 1_000)},` +
    `"gap_max_ms":${decimal(s.gapMs)},"user_agent":${quoted(s.userAgent?.slice(0, LONGEST_AGENT) ?? null)},` +
    `"trace_id":${json(s.traceId)},"error_code":${json(s.errorCode)}}\n`
  )
}

/** To a billionth: fractions of it come from nothing but binary arithmetic. */
function dollars(cost: number): string {
  return String(Number(cost.toFixed(9)))
}

/** Probes of the relay's health and CORS preflights ask for nothing that anybody pays for. */
export function isRecorded(s: Settled): boolean {
  return s.end !== 'local' || s.phase !== 'admit'
}
