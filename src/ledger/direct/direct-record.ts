import { errorFormatOf } from '../../api/error-format.js'
import { classifyRequest } from '../../api/request-class.js'
import { DIRECT_UPSTREAM } from '../../config/direct.js'
import { quoteName, redactText } from '../../exchange/log-text.js'
import { formatMs, formatTime, quoteJson } from '../../lib/text.js'
import type { FrontRequest } from './front-request.js'

/** Ids that are shown. */
const PLAIN_ID = /^[!#-[\]-~]{1,128}$/

/** Ids of nginx and HAProxy, which are no secret. Each is new, so redacting them would only fill the cache of names. */
const FRONT_ID = /^[0-9A-Fa-f:_-]{1,128}$/

/** What the front refuses, by its status: the codes of the errors that it sends. */
const ERROR_CODES: Readonly<Record<number, string>> = { 401: 'invalid_api_key', 503: 'direct_not_possible' }

/**
 * Formats the record of a request that went past the relay: one flat JSON object and a line end, with the fields that
 * `formatRecord` writes. What was used is unknown: tokens and cost are null.
 * @param importId identifies the line of the front's log
 */
export function formatDirectRecord(
  request: FrontRequest,
  importId: string,
  writer: string,
  seq: number,
): string {
  const { requestId, status, end } = request
  const path = request.path.replace(/^\/v1(?=\/)/, '')
  const id = formatId(requestId, importId)
  const errorCode = end === 'refused' ? (ERROR_CODES[status ?? 0] ?? null) : null
  return (
    `{"v":1,"id":"${id}","seq":${seq},"writer":"${writer}","ts":"${formatTime(request.endedAt - Math.round(request.durationMs ?? 0))}",` +
    `"key":${quoteName(request.key)},"env":${quoteName(request.env)},"team":${quoteName(request.team)},"user":${quoteName(request.user)},` +
    `"route":${quoteName(request.path)},"dialect":"${errorFormatOf(path)}","request_class":"${classifyRequest(request.method, path)}","model":${quoteName(request.model)},` +
    `"upstream_model":null,"upstream":"${DIRECT_UPSTREAM}","attempts":${request.wasSent ? 1 : 0},"failed_attempts":null,"dropped_fields":null,` +
    `"stream":null,"status":${status},"end":"${end}","phase":"${request.phase}","cache":null,` +
    '"prompt_tokens":null,"cached_tokens":null,"cache_write_tokens":null,"completion_tokens":null,"reasoning_tokens":null,"usage_source":"none",' +
    '"cost_usd":null,"price_source":null,"saved_tokens":null,"saved_usd":null,' +
    `"bytes_in":${request.bytesIn},"bytes_out":${request.bytesOut},` +
    '"events":null,"unparsed_events":null,"unread_events":null,"tool_calls":null,"finish_reason":null,"stream_error":null,' +
    `"read_ms":null,"ttft_ms":null,"upstream_ttfb_ms":${formatMs(request.firstByteMs)},"total_ms":${formatMs(request.durationMs)},"overhead_us":null,` +
    '"admit_us":null,"read_us":null,"plan_us":null,"cache_us":null,"attempt_us":null,"respond_us":null,' +
    `"gap_max_ms":null,"client_address":${quoteJson(request.clientAddress)},"user_agent":null,"trace_id":null,` +
    `"upstream_request_id":${quoteName(request.upstreamRequestId)},"error_code":${quoteJson(errorCode)},"import_id":"${importId}"}\n`
  )
}

function formatId(requestId: string, importId: string): string {
  if (FRONT_ID.test(requestId)) return requestId
  return PLAIN_ID.test(requestId) ? redactText(requestId) : `direct-${importId.slice(0, 16)}`
}
