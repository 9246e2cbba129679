import { formatErrorBody, type RefusalDetails } from '../../api/error-response.js'
import { ERRORS, type ErrorCode } from '../../api/errors.js'
import type { FlatHeaders } from '../../http/flat-headers.js'
import { isObject, type JsonObject, parseJson } from '../../json/values.js'

/** Where an error event is sent to. */
export interface EventStyle {
  /** The Realtime API gives each event an id. */
  readonly isRealtime: boolean
  readonly requestId: string
}

/** What an error is about. */
export interface ErrorSubject {
  /** Of the response; empty for none. */
  readonly lane: string
  /** The client's id of the event; null for none. */
  readonly eventId: string | null
}

/**
 * Formats an error of the relay's as an event of the API: with its HTTP status, as Codex reads it, and in the form that
 * both APIs of OpenAI's send (API reference, Responses and Realtime, server events). Of the Responses API it may have
 * the headers that an HTTP response would have: Codex reads limits there (`responses_websocket.rs`, wrapped errors).
 */
export function formatErrorEvent(
  code: ErrorCode,
  details: RefusalDetails,
  style: EventStyle,
  { lane, eventId }: ErrorSubject,
): string {
  const { error } = JSON.parse(formatErrorBody(code, 'openai', style.requestId, details)) as {
    error: JsonObject
  }
  return formatEvent(ERRORS[code].status, error, style, lane, eventId, details.headers)
}

/**
 * Formats the refusal of an upstream as an event.
 * @param body of its response
 */
export function formatRefusalEvent(status: number, body: string, style: EventStyle, lane: string): string {
  const parsed = parseJson(body)
  const told = isObject(parsed) && isObject(parsed.error) ? parsed.error : null
  const message = `The upstream refused the WebSocket connection with status ${status}.`
  const error = told ?? { type: 'server_error', code: null, message, param: null }
  return formatEvent(status, error, style, lane, null)
}

function formatEvent(
  status: number,
  error: JsonObject,
  { isRealtime, requestId }: EventStyle,
  lane: string,
  eventId: string | null,
  flatHeaders: FlatHeaders = [],
): string {
  if (isRealtime)
    return JSON.stringify({
      type: 'error',
      event_id: `event_${requestId}`,
      error: { ...error, event_id: eventId },
    })
  const event: Record<string, unknown> = { type: 'error', status, error }
  if (flatHeaders.length > 0) event.headers = toObject(flatHeaders)
  if (lane !== '') event.stream_id = lane
  return JSON.stringify(event)
}

function toObject(flatHeaders: FlatHeaders): Record<string, string> {
  const object: Record<string, string> = {}
  for (let i = 0; i < flatHeaders.length; i += 2)
    object[flatHeaders[i] as string] = flatHeaders[i + 1] as string
  return object
}
