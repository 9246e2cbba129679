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

/** Whether a `content-type` is one of the names for lines of JSON. */
export function isJsonLines(value: string): boolean {
  return /^application\/(?:x-)?(?:ndjson|jsonl(?:ines)?|json-lines)\b/i.test(value)
}

/** Whether a `content-type` says nothing of what the body is. Many servers send it by default. */
export function isUntyped(value: string): boolean {
  return /^\s*(?:text\/plain\b|application\/octet-stream\b|$)/i.test(value)
}

/** Whether a `content-type` is that of Bedrock's streams, which are binary. */
export function isAwsEventStream(value: string): boolean {
  return /^\s*application\/vnd\.amazon\.eventstream\b/i.test(value)
}
