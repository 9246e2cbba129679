import type { BodyApi } from '../../api/apis.js'
import { CLOSE_BRACKET, OPEN_BRACKET } from '../../json/bytes.js'
import { equalsText, findMember, findString, type Value } from '../../json/outline.js'
import { skipSpace } from '../../json/scanner.js'
import { parseRequestOutline } from './request-outline.js'

/**
 * The API that a body on `/chat/completions` is written for.
 *
 * Cursor sends everything to this one path: Responses bodies for models with GPT names, Messages bodies for Claude
 * names, chat completions for all others. It reads chat completions in each case. Only the body decides here: users
 * may give any name to a model, and no header says the API. A body that is ambiguous or unreadable counts as chat. It
 * is forwarded as it came, and the upstream reports the mistake.
 */
export function detectBodyApi(body: Buffer): BodyApi {
  const request = parseRequestOutline(body)
  if (request === null) return 'chat'
  const messages = findMember(request, 'messages')
  // An empty list of messages beside an input occurs too (codex-lb, pull request 833).
  if (messages === null || !isFilledArray(body, messages)) {
    const input = findMember(request, 'input')
    return findString(body, input) || isArray(body, input) ? 'responses' : 'chat'
  }
  const isMessages = SIGNS.some((sign) => sign(body, request))
  return isMessages && !hasChatMessages(body, messages) ? 'messages' : 'chat'
}

type Sign = (body: Buffer, request: Value) => boolean

/**
 * Each of these occurs in Messages (API reference, Create a Message) and not in chat completions (API reference,
 * Create chat completion). These are no signs, as chat bodies have them too: `tool_choice` as an object (Cursor's Ask
 * mode sends `{"type":"auto"}`, litellm pull request 12168), `custom` tools (Cursor's ApplyPatch), `cache_control` in
 * a part or a tool (OpenRouter caches Claude's prompts by it), parts of type `thinking` (Mistral), and `max_tokens`.
 */
const SIGNS: readonly Sign[] = [hasSystem, hasInputSchema, hasBlocks]

/** A system prompt beside the messages: text, or a list of blocks (OhadBaehr's proxy for Cursor uses this sign). */
function hasSystem(body: Buffer, request: Value): boolean {
  const system = findMember(request, 'system')
  return findString(body, system) !== null || isArray(body, system)
}

/** A tool with an `input_schema`, of type `custom` or of none (the same proxy uses this sign). */
function hasInputSchema(body: Buffer, request: Value): boolean {
  for (const tool of findMember(request, 'tools')?.elements ?? []) {
    if (findMember(tool, 'input_schema') === null || findMember(tool, 'function') !== null) continue
    if (!equalsText(body, findMember(tool, 'type'), 'function')) return true
  }
  return false
}

/** Tool calls and results as blocks, or images and documents with a `source`. */
function hasBlocks(body: Buffer, request: Value): boolean {
  for (const message of findMember(request, 'messages')?.elements ?? []) {
    for (const block of findMember(message, 'content')?.elements ?? []) {
      const type = findMember(block, 'type')
      if (equalsText(body, type, 'tool_use') || equalsText(body, type, 'tool_result')) return true
      if (
        findMember(block, 'source') !== null &&
        (equalsText(body, type, 'image') || equalsText(body, type, 'document'))
      ) {
        return true
      }
    }
  }
  return false
}

/**
 * Tool calls and results of chat completions: Messages would refuse the body, whatever else is in it. `tool_calls` that
 * are empty, null or no array are no calls, and occur in bodies of all three APIs.
 */
function hasChatMessages(body: Buffer, messages: Value): boolean {
  for (const message of messages.elements ?? []) {
    const role = findMember(message, 'role')
    if (equalsText(body, role, 'tool') || equalsText(body, role, 'function')) return true
    if (findMember(message, 'tool_calls')?.elements?.length) return true
  }
  return false
}

function isArray(body: Buffer, value: Value | null): boolean {
  return value !== null && body[value.start] === OPEN_BRACKET
}

function isFilledArray(body: Buffer, value: Value): boolean {
  return isArray(body, value) && body[skipSpace(body, value.start + 1)] !== CLOSE_BRACKET
}
