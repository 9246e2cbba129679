import type { BodyApi } from '../../api/apis.js'
import { equalsText, findMember, findString, type Value } from '../../json/outline.js'
import { filterMessages, parseRequestOutline } from './request-outline.js'

/**
 * Cursor sends all that it has to one path: Responses' bodies for models with GPT names, Messages' for Claude names, chat
 * completions for others. The answer is to be chat completions for each. Told by what is in the body alone, as names are whatever
 * people call their models, and no header says it. What is in doubt, or cannot be read, is chat: it goes on as it came, and
 * who is asked will say what is wrong with it.
 */
export function detectBodyApi(body: Buffer): BodyApi {
  const request = parseRequestOutline(body)
  if (request === null) return 'chat'
  const messages = findMember(request, 'messages')
  // An empty list of messages beside an input was seen too (codex-lb, pull request 833).
  if (messages === null || body[messages.start] === LETTER_N || isEmptyArray(body, messages)) {
    const input = findMember(request, 'input')
    return findString(body, input) || isArray(body, input) ? 'responses' : 'chat'
  }
  const isMessages = SIGNS.some((sign) => sign(body, request))
  return isMessages && !hasChatMessages(body, messages) ? 'messages' : 'chat'
}

type Sign = (body: Buffer, request: Value) => boolean

/**
 * Each of these is in Messages (API reference, Create a Message) and not in chat completions (API reference, Create chat
 * completion). No signs, as chat bodies have them too: `tool_choice` as an object (Cursor's Ask mode sends `{"type":"auto"}`,
 * litellm pull request 12168), `custom` tools (Cursor's ApplyPatch), `cache_control` in a part or a tool (how OpenRouter
 * has Claude's prompts cached), parts of type `thinking` (Mistral's), and `max_tokens`.
 */
const SIGNS: readonly Sign[] = [hasSystem, hasInputSchema, hasBlocks]

/** A system prompt beside the messages: text, or a list of blocks (OhadBaehr's proxy for Cursor tells by the latter). */
function hasSystem(body: Buffer, request: Value): boolean {
  const system = findMember(request, 'system')
  return findString(body, system) !== null || isArray(body, system)
}

/** A tool with an `input_schema`, of type `custom` or none (the same proxy). */
function hasInputSchema(body: Buffer, request: Value): boolean {
  for (const tool of findMember(request, 'tools')?.elements ?? []) {
    if (findMember(tool, 'input_schema') === null || findMember(tool, 'function') !== null) continue
    if (!equalsText(body, findMember(tool, 'type'), 'function')) return true
  }
  return false
}

/** Calls and results as blocks, images and documents with a `source`. */
function hasBlocks(body: Buffer, request: Value): boolean {
  for (const message of filterMessages(body, findMember(request, 'messages'), 'block')) {
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

/** Calls and results as only chat completions have them: Messages would refuse the body, whatever else is in it. */
function hasChatMessages(body: Buffer, messages: Value): boolean {
  for (const message of filterMessages(body, messages, 'chat')) {
    const role = findMember(message, 'role')
    if (equalsText(body, role, 'tool') || equalsText(body, role, 'function')) return true
    if (isArray(body, findMember(message, 'tool_calls'))) return true
  }
  return false
}

function isArray(body: Buffer, value: Value | null): boolean {
  return value !== null && body[value.start] === OPEN_BRACKET
}

function isEmptyArray(body: Buffer, value: Value): boolean {
  return isArray(body, value) && body.toString('latin1', value.start + 1, value.end - 1).trim() === ''
}

const OPEN_BRACKET = 0x5b
const LETTER_N = 0x6e
