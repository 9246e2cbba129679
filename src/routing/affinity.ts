import { type FlatHeaders, findHeader } from '../http/flat-headers.js'
import { COLON, COMMA, OPEN_BRACKET, QUOTE } from '../json/bytes.js'
import { equalsText, findMember, findOnly, parseOutline, WHOLE } from '../json/outline.js'
import type { Span } from '../json/peek.js'
import { skipSpace } from '../json/scanner.js'
import { isObject, parseJson } from '../json/values.js'

/**
 * Headers by which clients name the session or the conversation that a request belongs to: ours, Claude Code's, Codex's
 * (of several versions), OpenCode's, Cursor's where it sends one, LiteLLM's and xAI's.
 */
const SESSION_HEADERS: readonly string[] = [
  ...['x-thinwire-session', 'x-claude-code-session-id', 'session_id', 'session-id', 'conversation_id'],
  ...['thread-id', 'x-codex-session-id', 'x-session-id', 'x-session-affinity', 'x-opencode-session'],
  ...['x-conversation-id', 'x-cursor-conversation-id', 'x-litellm-session-id', 'x-grok-conv-id'],
]

/** Members with the turns of a conversation, of all APIs, or with a text. */
const CONTENTS = Buffer.from('"contents"')
const TURN_KEYS: readonly Buffer[] = [
  ...['"messages"', '"input"'].map((text) => Buffer.from(text)),
  CONTENTS,
  Buffer.from('"prompt"'),
]

/** Longer names are cut: they are only compared. */
const NAME_MAX = 256
/** Longer metadata is not parsed: OpenAI's has at most 16 pairs, and a session stands in a short one. */
const METADATA_MAX = 8192
const BEGINNING_MAX = 1024

/** The user's first message comes behind the system's, which are few. */
const TURNS_MAX = 100

/** Who asks. */
export interface AffinityRequest {
  readonly rawHeaders: FlatHeaders
  readonly key: { readonly id: string } | null
}

/** The session that a header names; null for none. */
export function findSession(rawHeaders: FlatHeaders): string | null {
  for (const name of SESSION_HEADERS) {
    const value = findHeader(rawHeaders, name)
    if (value !== undefined && value !== '') return value.slice(0, NAME_MAX)
  }
  return null
}

/** A complete body, and what was found in it. */
export interface AffinityBody {
  readonly bytes: Buffer
  readonly session: Span | null
}

/**
 * What the requests of one chat have in common, so that they go to one account, which has its prompt in the cache and
 * can read its encrypted reasoning: the session that the client names, or else the key and what the user said first.
 * It is a preference, and nothing depends on its being right. O(n), for nearly all bodies by a search alone.
 * @param body null if the request has none, or if it is not complete
 * @returns null if the request belongs to no chat
 */
export function findAffinity(request: AffinityRequest, body: AffinityBody | null): string | null {
  const named = findSession(request.rawHeaders)
  if (named !== null || body === null) return named
  const { bytes, session } = body
  const inBody = session === null ? null : readSession(bytes.toString('utf8', session.start, session.end))
  if (inBody !== null) return inBody
  const first = findBeginning(bytes)
  return first === null
    ? null
    : `${request.key?.id ?? ''}\n${bytes.toString('latin1', first.start, first.end)}`
}

/** @param text of `prompt_cache_key`, `session_id` or `metadata`; Claude Code's session is in `metadata.user_id` */
function readSession(text: string): string | null {
  const value = text.length > METADATA_MAX ? null : parseJson(text)
  const name = isObject(value) ? (value.cursorConversationId ?? value.session_id ?? value.user_id) : value
  return typeof name === 'string' && name !== '' ? name.slice(0, NAME_MAX) : null
}

/** @returns the index of the value of the first member of this name; -1 if there is none */
function findValue(bytes: Buffer, key: Buffer, from = 0): number {
  for (let at = bytes.indexOf(key, from); at !== -1; at = bytes.indexOf(key, at + key.length)) {
    const colon = skipSpace(bytes, at + key.length)
    if (bytes[colon] === COLON) return skipSpace(bytes, colon + 1)
  }
  return -1
}

/** The role of a user's turn as nearly all clients write it: a search finds it behind a long prompt of the system. */
const USER_ROLES: readonly Buffer[] = ['"role":"user"', '"role": "user"'].map((text) => Buffer.from(text))
const CONTENT_KEYS: readonly Buffer[] = ['"content"', '"parts"'].map((text) => Buffer.from(text))

/** Bytes of a body that are read turn by turn, where it is written in another way. */
const READ_MAX = 64 * 1024

/** What the user said first; the whole text if the input is one; null if there is none. */
function findBeginning(body: Buffer): Span | null {
  for (const key of TURN_KEYS) {
    const start = findValue(body, key)
    if (body[start] === QUOTE) return cutValue(body, start)
    if (body[start] !== OPEN_BRACKET) continue
    // Gemini's first turn may have no role.
    const content = key === CONTENTS ? -1 : findContent(body, start)
    const first = content === -1 ? findFirstOfUser(body.subarray(0, start + READ_MAX), start + 1) : content
    if (first !== -1) return cutValue(body, first)
  }
  return null
}

/** @returns the index of the content that stands right behind the first user's role; -1 if there is none */
function findContent(body: Buffer, from: number): number {
  for (const role of USER_ROLES) {
    const found = body.indexOf(role, from)
    if (found === -1) continue
    const comma = skipSpace(body, found + role.length)
    const at = body[comma] === COMMA ? skipSpace(body, comma + 1) : -1
    for (const key of CONTENT_KEYS)
      if (at !== -1 && body.compare(key, 0, key.length, at, Math.min(body.length, at + key.length)) === 0)
        return findValue(body.subarray(0, at + key.length + 16), key, at)
    return -1
  }
  return -1
}

/** The place of a value, or of as much of it as is compared. */
function cutValue(body: Buffer, start: number): Span | null {
  const value = parseOutline(body.subarray(0, start + BEGINNING_MAX), WHOLE, start)
  if (value !== null) return value
  return body.length < start + BEGINNING_MAX ? null : { start, end: start + BEGINNING_MAX }
}

const TURN = findOnly({ role: WHOLE, content: WHOLE, parts: WHOLE })

/** @returns the index of the content of the first user's turn; -1 if there is none */
function findFirstOfUser(body: Buffer, from: number): number {
  let at = from
  for (let n = 0; n < TURNS_MAX; n++) {
    const turn = parseOutline(body, TURN, at)
    if (turn === null) return -1
    const role = findMember(turn, 'role')
    const parts = findMember(turn, 'parts')
    if (equalsText(body, role, 'user') || (role === null && parts !== null))
      return (findMember(turn, 'content') ?? parts)?.start ?? -1
    at = skipSpace(body, turn.end)
    if (body[at] !== COMMA) return -1
    at++
  }
  return -1
}
