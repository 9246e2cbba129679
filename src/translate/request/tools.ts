import type { Edit } from '../../json/edits.js'
import { findMember, type Value } from '../../json/outline.js'
import type { Json, Tool } from '../conversation.js'
import { copyTool, findTool, type ToolForm } from '../read/tools.js'
import type { ToolNames } from '../repair/tool-names.js'
import { formatMarked } from '../write/cache-marks.js'
import { formatChatTool, formatMessagesTool, formatResponsesTool, type ToolSet } from '../write/tool-texts.js'

/** The form that the tools of a request must have. */
export interface ToolTarget {
  readonly form: ToolForm
  /**
   * Custom tools (free text instead of JSON arguments) stay; otherwise they become functions with one string `input`.
   */
  readonly customs: boolean
  /** The names that it takes. */
  readonly names: Pick<ToolNames, 'nameFor'>
}

/** The changes to a `tools` array. */
export interface ToolEdits {
  readonly edits: readonly Edit[]
  /** Names of the custom tools in the body, in any form. */
  readonly customs: readonly string[]
}

/**
 * Rewrites each tool that has another form than the target's. Its description and its schema keep their
 * bytes, and so do all other tools.
 * @param tools the outline of the `tools` array
 */
export function createToolEdits(
  body: Buffer,
  tools: Value | null,
  { form, customs: keepCustoms, names }: ToolTarget,
): ToolEdits {
  const edits: Edit[] = []
  const customs: string[] = []
  for (const value of tools?.elements ?? []) {
    const tool = findTool(body, value)
    if (tool === null) continue
    if (tool.kind === 'custom') customs.push(tool.name)
    const name = names.nameFor(tool.name)
    const stays = tool.form === form && tool.regular && (keepCustoms || tool.kind === 'function')
    const renamed = stays ? findMember(tool.inner, 'name') : null
    if (!stays) {
      const text = FORMATS[form]({ ...copyTool(body, tool), name }, { keepCustoms })
      edits.push({ start: value.start, end: value.end, text })
    } else if (renamed !== null && name !== tool.name)
      edits.push({ start: renamed.start, end: renamed.end, text: JSON.stringify(name) })
  }
  return { edits, customs }
}

const FORMATS: Readonly<Record<ToolForm, (tool: Tool, set: Pick<ToolSet, 'keepCustoms'>) => Json>> = {
  nested: formatChatTool,
  flat: formatResponsesTool,
  input_schema: (tool) =>
    formatMarked({ json: formatMessagesTool(tool), cache: tool.cache, takesMark: true }),
}
