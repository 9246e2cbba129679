import { ERRORS, type ErrorCode, formatErrorBody } from '../../api/errors.js'
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
  /** A field of the event; null for none. */
  readonly param: string | null
}

/**
 * Formats an error of the relay's as an event of the API: with its HTTP status, as Codex reads it, and in the form that
 * both APIs of OpenAI's send (API reference, Responses and Realtime, server events).
 */
export function formatErrorEvent(
  code: ErrorCode,
  detail: string | undefined,
  style: EventStyle,
  { lane, eventId, param }: ErrorSubject,
): string {
  const { error } = JSON.parse(formatErrorBody(code, 'openai', style.requestId, detail, param)) as {
    error: JsonObject
  }
  return formatEvent(ERRORS[code].status, error, style, lane, eventId)
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
): string {
  if (isRealtime)
    return JSON.stringify({
      type: 'error',
      event_id: `event_${requestId}`,
      error: { ...error, event_id: eventId },
    })
  const event = { type: 'error', status, error }
  return JSON.stringify(lane === '' ? event : { ...event, stream_id: lane })
}
