import { isDeepStrictEqual } from 'node:util'
import type { BodyApi } from '../../api/apis.js'
import { ALL_CAPABILITIES, type Capabilities } from '../../api/capabilities.js'
import type { Edit } from '../../json/edits.js'
import { ObjectEdits } from '../../json/object-edits.js'
import { equalsText, findMember, findString, sliceText, type Value } from '../../json/outline.js'
import { wrapChatCalls, wrapMessagesCalls } from '../custom-tools/wrap-history.js'
import { editMessages } from './native-messages.js'
import { editResponses } from './native-responses.js'
import { parseRequestOutline, type RequestMeta, readRequestMeta } from './request-outline.js'
import { translateToolChoice } from './tool-choice.js'
import { createToolEdits, type ToolForm } from './tools.js'

/** A request on its way to the API that it is written for. */
export interface NativeRequest extends RequestMeta {
  /** Behind the version. */
  readonly path: '/chat/completions' | '/responses' | '/messages'
  /** In their order; none if nothing has to be changed. */
  readonly edits: readonly Edit[]
  /** Names of the custom tools that went out as functions: calls of them come back as `{"input":"..."}`. */
  readonly wrapped: readonly string[]
}

const PATHS = { chat: '/chat/completions', responses: '/responses', messages: '/messages' } as const

/**
 * A body on its way to the API that it is written for: Cursor mixes in what is another's, and only that is changed. All other
 * bytes stay, so that the upstream's prompt cache knows the prompt. A body that cannot be read stays as it is.
 */
export function buildNativeRequest(
  shape: BodyApi,
  body: Buffer,
  { capabilities = ALL_CAPABILITIES }: { readonly capabilities?: Capabilities } = {},
): NativeRequest {
  const request = parseRequestOutline(body)
  const asked = readRequestMeta(body, request)
  const path = PATHS[shape]
  if (request === null) return { path, edits: [], ...asked, wrapped: [] }
  const edits = new ObjectEdits(request)
  const customs = shape === 'responses' || (shape === 'chat' && capabilities.customTools)
  const form = FORMS[shape]
  const tools = createToolEdits(body, findMember(request, 'tools'), { form, customs })
  edits.within(tools.edits)
  if (shape === 'chat') editChat(body, request, edits, capabilities)
  else if (shape === 'responses') editResponses(body, request, edits, tools.customs)
  else editMessages(body, request, edits)
  if (shape !== 'messages') editChoice(body, request, edits, form, customs ? tools.customs : [])
  const wrapped = customs ? [] : tools.customs
  if (wrapped.length > 0) {
    const wrap = shape === 'messages' ? wrapMessagesCalls : wrapChatCalls
    wrap(body, findMember(request, 'messages'), edits, wrapped)
  }
  return { path, edits: edits.edits(), ...asked, wrapped }
}

const FORMS: Readonly<Record<BodyApi, ToolForm>> = {
  chat: 'nested',
  responses: 'flat',
  messages: 'input_schema',
}

/** Chat completions with what Cursor's Ask mode takes from other APIs. */
function editChat(body: Buffer, request: Value, edits: ObjectEdits, { reasoning }: Capabilities): void {
  const tools = findMember(request, 'tools')
  if (tools === null || tools.elements?.length === 0 || body[tools.start] === LETTER_N) {
    // Cursor sends `"tools":null,"tool_choice":"auto"` (a recording of gabrii's proxy for it). OpenAI: neither the choice nor
    // parallel_tool_calls is allowed without tools, and an empty array is too short.
    edits.cut('tools')
    edits.cut('tool_choice')
    edits.cut('parallel_tool_calls')
  }
  if (reasoning) return
  const effort = findString(body, findMember(findMember(request, 'reasoning'), 'effort'))
  const told = findMember(request, 'reasoning_effort')
  if (told === null && effort !== null) edits.rename('reasoning', 'reasoning_effort', sliceText(body, effort))
  else edits.cut('reasoning')
}

/** A choice of tools in the words of the API that is asked; one that is not understood stays as it is. */
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
  // Mistral's chat completions have "any" too.
  if (form === 'nested' && findString(body, choice)) return
  let told: unknown
  try {
    told = JSON.parse(sliceText(body, choice))
  } catch {
    return
  }
  const wanted = translateToolChoice(told, { form, customs })
  if (wanted !== undefined && !isDeepStrictEqual(wanted, told)) edits.replace(choice, JSON.stringify(wanted))
}

const LONGEST_CHOICE = 64 * 1024
const LETTER_N = 0x6e
