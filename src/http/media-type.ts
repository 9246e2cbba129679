/**
 * Whether a `content-type` is that of server-sent events (HTML standard, 9.2).
 * @param value undefined if there is no such header
 */
export function isEventStream(value: string | undefined): boolean {
  return value !== undefined && EVENT_STREAM.test(value)
}

// A longer name, such as text/event-streaming, is another type. The comma is that of a doubled header, joined by a
// proxy.
const EVENT_STREAM = /^\s*text\/event-stream(?:$|[\s;,])/i

/**
 * Whether a `content-type` is `application/json`, or a type whose syntax is JSON, such as `application/problem+json`.
 */
export function isJson(value: string): boolean {
  return /^application\/(?:[\w.-]+\+)?json\b/i.test(value)
}
