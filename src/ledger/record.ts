import { classifyRequest } from '../api/request-class.js'
import { formatKey, quoteName } from '../exchange/log-text.js'
import { formatPath } from '../exchange/shown-path.js'
import type { RequestSummary } from '../exchange/summary.js'
import { formatNanoUsd, type NanoUsd } from '../lib/nano-usd.js'
import { formatMs, formatTime, quoteJson } from '../lib/text.js'
import type { UsageDetails } from '../metering/usage.js'
import { chargeFor, chargeOf } from './charge.js'
import type { Prices } from './prices.js'

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
  const { stats, phaseShares: own } = summary
  const { usage, source } = summary.usage
  const { nano: cost, source: priceSource } = chargeOf(summary, prices)
  const saved = summary.savedUsage?.usage ?? null
  const savedCost = chargeFor(summary, saved, prices).nano
  return (
    `{"v":${VERSION},"id":"${summary.request.id}","seq":${seq},"writer":"${writer}","ts":"${formatTime(summary.request.receivedAt)}",` +
    `${formatKey(summary.request.key)},"route":"${formatPath(summary)}","dialect":"${summary.request.api}","request_class":"${classifyRequest(summary.request.method, summary.request.path)}","model":${quoteName(summary.request.model)},` +
    `"upstream_model":${quoteName(stats?.model ?? null)},"upstream":${quoteName(summary.outcome.upstream)},"attempts":${summary.outcome.attempts},` +
    `"failed_attempts":${quoteName(summary.outcome.failures)},` +
    `"dropped_fields":${quoteName(summary.outcome.droppedFields)},` +
    `"stream":${summary.request.stream},"status":${summary.outcome.status},"end":"${summary.outcome.end}","phase":"${summary.outcome.phase}","cache":${quoteJson(summary.outcome.cache)},` +
    `"prompt_tokens":${usage?.prompt ?? null},"cached_tokens":${usage?.cached ?? null},` +
    `"cache_write_tokens":${usage?.cacheWritten ?? null},"completion_tokens":${usage?.completion ?? null},` +
    `"reasoning_tokens":${usage?.reasoning ?? null},"usage_source":"${source}",` +
    `"cost_usd":${formatCost(cost)},"price_source":${cost === null ? null : quoteName(priceSource)},` +
    `"saved_tokens":${saved === null ? null : (saved.prompt ?? 0) + (saved.completion ?? 0)},` +
    `"saved_usd":${formatCost(savedCost)},` +
    `"bytes_in":${summary.outcome.bytesIn},"bytes_out":${summary.outcome.bytesOut},` +
    `"events":${stats?.events ?? null},"unparsed_events":${stats?.unparsed ?? null},"unread_events":${stats?.unparsed ?? null},"tool_calls":${stats?.toolCalls ?? null},` +
    `"finish_reason":${quoteName(stats?.finishReason ?? null)},"stream_error":${quoteName(stats?.error ?? null)},` +
    `"read_ms":${formatMs(summary.timeline.bodyMs)},"ttft_ms":${formatMs(summary.firstTokenMs)},"upstream_ttfb_ms":${formatMs(summary.timeline.upstreamMs)},` +
    `"total_ms":${formatMs(summary.totalMs)},"overhead_us":${own.total},` +
    `"admit_us":${own.admit},"read_us":${own.read},"plan_us":${own.plan},"cache_us":${own.cache},"attempt_us":${own.attempt},"respond_us":${own.respond},` +
    `"gap_max_ms":${formatMs(summary.outcome.longestGapMs)},"client_address":${quoteJson(summary.request.clientAddress)},"user_agent":${quoteName(summary.request.userAgent?.slice(0, MAX_USER_AGENT) ?? null)},` +
    `"trace_id":${quoteJson(summary.request.traceId)},"upstream_request_id":${quoteName(summary.outcome.upstreamRequestId)},"error_code":${quoteJson(summary.outcome.errorCode)}` +
    `${formatRareFields(summary)}}\n`
  )
}

/** Formats the fields that few records have: they stand only where they are known, as they would double the record. */
function formatRareFields(summary: RequestSummary): string {
  const { tags, connectionId, sessionId, agentId } = summary.request
  const { overtaken, upstreamKey } = summary.outcome
  const details = summary.usage.usage?.details ?? null
  let text = ''
  if (tags !== null) text += `,"tags":${quoteName(tags)}`
  if (connectionId !== null) text += `,"connection_id":"${connectionId}"`
  if (sessionId !== null) text += `,"session_id":"${sessionId}"`
  if (agentId !== null) text += `,"agent_id":"${agentId}"`
  if (summary.makerKey !== null) text += `,"maker_key":"${summary.makerKey}"`
  if (upstreamKey !== null) text += `,"upstream_key":"${upstreamKey}"`
  if (overtaken !== null) text += `,"overtaken":${quoteName(overtaken)}`
  text += formatKnown('overtaken_prompt_tokens', summary.overtakenPromptTokens)
  text += formatLimits(summary)
  if (summary.requests > 1) text += formatKnown('requests', summary.requests)
  return details === null ? text : text + formatDetails(details)
}

/** What the limits have to do with the request. */
function formatLimits({ assumedNano, reachedLimits, outcome }: RequestSummary): string {
  const { limitRule, observedRules } = outcome
  let text = ''
  if (assumedNano !== null) text += `,"assumed_usd":${formatNanoUsd(assumedNano)}`
  if (limitRule !== null) text += `,"limit_rule":${quoteName(limitRule)}`
  if (observedRules !== null) text += `,"observed_rules":${quoteName(observedRules)}`
  if (reachedLimits !== null) text += `,"limit_reached":${quoteName(reachedLimits)}`
  return text
}

function formatDetails(details: UsageDetails): string {
  const { tier, passes } = details
  let text =
    formatKnown('cache_write_1h_tokens', details.cacheWrittenHour) +
    formatKnown('audio_prompt_tokens', details.audioPrompt) +
    formatKnown('audio_completion_tokens', details.audioCompletion) +
    formatKnown('image_prompt_tokens', details.imagePrompt) +
    formatKnown('image_completion_tokens', details.imageCompletion) +
    formatKnown('searches', details.searches)
  if (tier !== null) text += `,"service_tier":${quoteName(tier)}`
  if (passes !== null) text += `,"passes":${quoteName(formatPasses(passes))}`
  return text
}

function formatKnown(name: string, value: number | null): string {
  return value === null ? '' : `,"${name}":${value}`
}

/** Tokens in and out of each pass, with its model if that is another one: `1200+300, claude-haiku-5-5 40+12`. */
function formatPasses(passes: NonNullable<UsageDetails['passes']>): string {
  return passes
    .map(({ model, usage }) => {
      const tokens = `${usage.prompt ?? 0}+${usage.completion ?? 0}`
      return model === null ? tokens : `${model} ${tokens}`
    })
    .join(', ')
}

function formatCost(nano: NanoUsd | null): string | null {
  return nano === null ? null : formatNanoUsd(nano)
}

/** Whether a request belongs in the ledger: health probes and CORS preflights do not, as they cost nothing. */
export function isRecorded(summary: RequestSummary): boolean {
  return summary.outcome.end !== 'local' || summary.outcome.phase !== 'admit'
}
