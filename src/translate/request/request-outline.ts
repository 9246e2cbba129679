import { findMember, parseOutline, readText, type Value } from '../../json/outline.js'
import { REQUEST } from '../read/plan.js'

/** One body is needed once to detect its API, once to be read, and then for each upstream that is tried. */
const outlines = new WeakMap<Buffer, { readonly request: Value | null }>()

/**
 * The places of a request's members; null if the body is not a JSON object. The result is remembered for the buffer,
 * so the body must not be changed afterwards.
 */
export function parseRequestOutline(body: Buffer): Value | null {
  const known = outlines.get(body)
  if (known !== undefined) return known.request
  const outline = parseOutline(body, REQUEST)
  const request = outline?.members ? outline : null
  outlines.set(body, { request })
  return request
}

/** What a request of any of the three APIs says about its response, and which conversation it belongs to. */
export interface RequestMeta {
  /** `stream`: the client wants an event stream. */
  readonly stream: boolean
  /** `stream_options.include_usage`: the client wants a usage chunk at the end of the stream. */
  readonly includeUsage: boolean
  /**
   * `metadata.cursorConversationId`, at most 256 bytes; null if there is none. It is the only field that says which
   * requests share a prompt: `user` is the same in all requests of a person.
   */
  readonly conversation: string | null
}

/** @param request the outline of the body; null gives the defaults, false and null */
export function readRequestMeta(body: Buffer, request: Value | null): RequestMeta {
  const usage = findMember(findMember(request, 'stream_options'), 'include_usage')
  return {
    stream: isTrue(body, findMember(request, 'stream')),
    includeUsage: isTrue(body, usage),
    conversation: readText(body, findMember(findMember(request, 'metadata'), 'cursorConversationId'), 256),
  }
}

/** Whether a value is `true`, by its first letter. */
function isTrue(body: Buffer, value: Value | null): boolean {
  return value !== null && body[value.start] === 0x74
}

/** Whether a value is `false`, by its first letter. */
export function isFalse(body: Buffer, value: Value | null): boolean {
  return value !== null && body[value.start] === 0x66
}
