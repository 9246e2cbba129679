import { isDeepStrictEqual } from 'node:util'
import type { BodyApi } from '../../api/apis.js'
import { ALL_CAPABILITIES, type Capabilities } from '../../api/capabilities.js'
import type { Edit } from '../../json/edits.js'
import { ObjectEdits } from '../../json/object-edits.js'
import { equalsText, findMember, findString, sliceText, type Value } from '../../json/outline.js'
import { parseJson } from '../../json/values.js'
import { wrapChatCalls, wrapMessagesCalls } from '../custom-tools/wrap-history.js'
import { editMessages } from './native-messages.js'
import { editResponses } from './native-responses.js'
import { parseRequestOutline, type RequestMeta, readRequestMeta } from './request-outline.js'
import { translateToolChoice } from './tool-choice.js'
import { createToolEdits, type ToolForm } from './tools.js'

/** What a request needs on its way to the API that it is written for. */
export interface NativeRequest extends RequestMeta {
  /** The endpoint, behind the version. */
  readonly path: '/chat/completions' | '/responses' | '/messages'
  /** In ascending order; empty if nothing has to change. */
  readonly edits: readonly Edit[]
  /** Names of the custom tools that go out as functions: the arguments of their calls are `{"input":"..."}`. */
  readonly wrapped: readonly string[]
}

const PATHS = { chat: '/chat/completions', responses: '/responses', messages: '/messages' } as const

/**
 * Fits a body to the API that it is written for. Cursor mixes in members and forms of other APIs, and only these
 * change. All other bytes stay, so that the upstream's prompt cache recognizes the prompt. An unreadable body stays
 * as it is.
 * @param capabilities of the upstream's chat completions; the other APIs have one form
 */
export function buildNativeRequest(
  api: BodyApi,
  body: Buffer,
  { capabilities = ALL_CAPABILITIES }: { readonly capabilities?: Capabilities } = {},
): NativeRequest {
  const request = parseRequestOutline(body)
  const meta = readRequestMeta(body, request)
  const path = PATHS[api]
  if (request === null) return { path, edits: [], ...meta, wrapped: [] }
  const edits = new ObjectEdits(request)
  const customs = api === 'responses' || (api === 'chat' && capabilities.customTools)
  const form = FORMS[api]
  const tools = createToolEdits(body, findMember(request, 'tools'), { form, customs })
  edits.within(tools.edits)
  if (api === 'chat') editChat(body, request, edits, capabilities)
  else if (api === 'responses') editResponses(body, request, edits, tools.customs)
  else editMessages(body, request, edits)
  if (api !== 'messages') editChoice(body, request, edits, form, customs ? tools.customs : [])
  const wrapped = customs ? [] : tools.customs
  if (wrapped.length > 0) {
    const wrap = api === 'messages' ? wrapMessagesCalls : wrapChatCalls
    wrap(body, findMember(request, 'messages'), edits, wrapped)
  }
  return { path, edits: edits.edits(), ...meta, wrapped }
}

const FORMS: Readonly<Record<BodyApi, ToolForm>> = {
  chat: 'nested',
  responses: 'flat',
  messages: 'input_schema',
}

/** Changes what Cursor's Ask mode puts into chat completions from other APIs. */
function editChat(body: Buffer, request: Value, edits: ObjectEdits, { reasoning }: Capabilities): void {
  const tools = findMember(request, 'tools')
  if (tools === null || tools.elements?.length === 0 || body[tools.start] === LETTER_N) {
    // Cursor sends `"tools":null,"tool_choice":"auto"` (a recording of gabrii's proxy for it). OpenAI refuses a choice
    // and parallel_tool_calls without tools, and an empty array of tools.
    edits.cut('tools')
    edits.cut('tool_choice')
    edits.cut('parallel_tool_calls')
  }
  if (reasoning) return
  const effort = findString(body, findMember(findMember(request, 'reasoning'), 'effort'))
  const ownEffort = findMember(request, 'reasoning_effort')
  if (ownEffort === null && effort !== null)
    edits.rename('reasoning', 'reasoning_effort', sliceText(body, effort))
  else edits.cut('reasoning')
}

/** Writes the tool choice in the form of the upstream's API; a choice that is not understood stays. */
function editChoice(
  body: Buffer,
  request: Value,
  edits: ObjectEdits,
  form: ToolForm,
  customs: readonly string[],
): void {
  const choice = findMember(request, 'tool_choice')
  if (choice === null || equalsText(body, choice, 'auto') || choice.end - choice.start > LONGEST_CHOICE)
    return
  // Any word stays: Mistral's chat completions have "any" too.
  if (form === 'nested' && findString(body, choice)) return
  const current = parseJson(sliceText(body, choice))
  if (current === undefined) return
  const wanted = translateToolChoice(current, { form, customs })
  if (wanted !== undefined && !isDeepStrictEqual(wanted, current)) {
    edits.replace(choice, JSON.stringify(wanted))
  }
}

/** In bytes. A longer choice stays as it is. */
const LONGEST_CHOICE = 64 * 1024
const LETTER_N = 0x6e
