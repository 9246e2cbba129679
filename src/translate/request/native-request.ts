import { isDeepStrictEqual } from 'node:util'
import { BODY_PATHS, type BodyApi } from '../../api/apis.js'
import type { Edit } from '../../json/edits.js'
import { ObjectEdits } from '../../json/object-edits.js'
import { equalsText, findMember, findString, sliceText } from '../../json/outline.js'
import { parseJson } from '../../json/values.js'
import type { ToolForm } from '../read/tools.js'
import { ToolNames } from '../repair/tool-names.js'
import { editChat } from './native-chat.js'
import { FieldCuts, type NativeContext, type NativeTarget } from './native-context.js'
import { editMessages } from './native-messages.js'
import { editResponses } from './native-responses.js'
import { parseRequestOutline, type RequestMeta, readRequestMeta } from './request-outline.js'
import { translateToolChoice } from './tool-choice.js'
import { createToolEdits } from './tools.js'

/** What a request needs on its way to the API that it is written for. */
export interface NativeRequest extends RequestMeta {
  /** The endpoint, behind the version. */
  readonly path: (typeof BODY_PATHS)[BodyApi]
  /** In ascending order; empty if nothing has to change. */
  readonly edits: readonly Edit[]
  /** Names of the custom tools that go out as functions: the arguments of their calls are `{"input":"..."}`. */
  readonly wrapped: readonly string[]
  /** By the names of tools that the target gets in place of the client's, those of the client. */
  readonly clients: ReadonlyMap<string, string>
  /** Names of the client's fields that were cut because the model refuses them; each once. */
  readonly dropped: readonly string[]
}

/**
 * Fits a body to the API that it is written for, and to its target. Cursor mixes in members and forms of other APIs,
 * models refuse some fields, and a history may come from other models: only these change. All other bytes stay, so that
 * the upstream's prompt cache recognizes the prompt. An unreadable body stays as it is.
 */
export function buildNativeRequest(api: BodyApi, body: Buffer, target: NativeTarget): NativeRequest {
  const request = parseRequestOutline(body)
  const meta = readRequestMeta(body, request)
  const path = BODY_PATHS[api]
  if (request === null) return { path, edits: [], ...meta, wrapped: [], clients: new Map(), dropped: [] }
  const edits = new ObjectEdits(request)
  const { traits } = target
  const keepsCustoms = api !== 'messages' && traits.customTools
  const form = FORMS[api]
  const toolNames = new ToolNames(traits.toolNames)
  const toolTarget = { form, customs: keepsCustoms, names: toolNames }
  const tools = createToolEdits(body, findMember(request, 'tools'), toolTarget)
  edits.within(tools.edits)
  const fields = new FieldCuts(body, request, edits, traits)
  const names = new Set(tools.customs)
  const [customs, wrapped] = keepsCustoms ? [names, NO_NAMES] : [NO_NAMES, names]
  const context: NativeContext = {
    ...{ body, request, edits, target, customs, wrapped, fields },
    names: toolNames,
  }
  EDITORS[api](context)
  if (api !== 'messages') editChoice(context, form)
  return {
    path,
    edits: edits.edits(),
    ...meta,
    wrapped: [...wrapped],
    clients: toolNames.clients,
    dropped: fields.dropped,
  }
}

const EDITORS: Readonly<Record<BodyApi, (context: NativeContext) => void>> = {
  chat: editChat,
  responses: editResponses,
  messages: editMessages,
}

const NO_NAMES: ReadonlySet<string> = new Set()

const FORMS: Readonly<Record<BodyApi, ToolForm>> = {
  chat: 'nested',
  responses: 'flat',
  messages: 'input_schema',
}

/** Writes the tool choice in the form of the upstream's API; a choice that is not understood stays. */
function editChoice({ body, request, edits, customs, names }: NativeContext, form: ToolForm): void {
  const choice = findMember(request, 'tool_choice')
  if (choice === null || equalsText(body, choice, 'auto') || choice.end - choice.start > LONGEST_CHOICE)
    return
  // Any word stays: Mistral's chat completions have "any" too.
  if (form === 'nested' && findString(body, choice)) return
  const current = parseJson(sliceText(body, choice))
  if (current === undefined) return
  const wanted = names.renameChoice(translateToolChoice(current, { form, customs }) ?? current)
  if (!isDeepStrictEqual(wanted, current)) {
    edits.replace(choice, JSON.stringify(wanted))
  }
}

/** In bytes. A longer choice stays as it is. */
const LONGEST_CHOICE = 64 * 1024
