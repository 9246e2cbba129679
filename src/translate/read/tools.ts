import { equalsText, findMember, isEmptyValue, type Value } from '../../json/outline.js'
import type { JsonString, Tool } from '../conversation.js'
import { copyMember, copyString, nameType, readMember } from './values.js'

/**
 * Reads the tools that the client runs, in any of the three forms, which one array may mix: `function` or `custom`
 * with an object of that name (chat completions), with its members beside the type (Responses), and `input_schema`
 * (Messages). Legacy `functions` have neither a type nor an object.
 * @param tools the outline of the array
 * @param legacy whether these are `functions`
 * @param skip gets the names of other tools, as `tools[TYPE]`: the vendor runs them
 */
export function readTools(
  body: Buffer,
  tools: Value | null,
  legacy: boolean,
  skip: (key: string) => void,
): Tool[] {
  const found: Tool[] = []
  for (const value of tools?.elements ?? []) {
    const tool = readTool(body, value, legacy)
    if (tool === null) skip(`tools[${nameType(body, value)}]`)
    else found.push(tool)
  }
  return found
}

function readTool(body: Buffer, tool: Value, legacy: boolean): Tool | null {
  if (tool.members === null) return null
  const type = findMember(tool, 'type')
  const isUntyped = isEmptyValue(body, type)
  const inner = findMember(tool, 'function')
  if (inner?.members && (isUntyped || equalsText(body, type, 'function'))) {
    return createTool(body, 'function', tool, inner)
  }
  const custom = findMember(tool, 'custom')
  if (custom?.members && (isUntyped || equalsText(body, type, 'custom'))) {
    return createTool(body, 'custom', tool, custom)
  }
  if (equalsText(body, type, 'function')) return createTool(body, 'function', tool, tool)
  if (equalsText(body, type, 'custom')) {
    return createTool(body, findMember(tool, 'input_schema') === null ? 'custom' : 'function', tool, tool)
  }
  const hasSchema = findMember(tool, 'input_schema') !== null || findMember(tool, 'parameters') !== null
  return isUntyped && (hasSchema || legacy) ? createTool(body, 'function', tool, tool) : null
}

/** Null if the tool has no name. */
function createTool(body: Buffer, kind: Tool['kind'], outer: Value, inner: Value): Tool | null {
  const name = readMember(body, inner, 'name')
  if (name === null || name === '') return null
  return {
    kind,
    name,
    description: copyString(body, inner, 'description'),
    schema:
      kind === 'custom'
        ? null
        : (copyMember(body, inner, 'parameters') ?? copyMember(body, inner, 'input_schema')),
    strict:
      kind === 'custom' ? null : (copyMember(body, inner, 'strict') ?? copyMember(body, outer, 'strict')),
    grammar: kind === 'custom' ? readGrammar(body, findMember(inner, 'format')) : null,
    cache: copyMember(body, outer, 'cache_control'),
  }
}

/** The grammar stands in an object of its own in chat completions, and beside the type in Responses. */
function readGrammar(
  body: Buffer,
  format: Value | null,
): { readonly syntax: JsonString; readonly definition: JsonString } | null {
  const nested = findMember(format, 'grammar')
  const at = nested?.members ? nested : format
  const syntax = copyString(body, at, 'syntax')
  const definition = copyString(body, at, 'definition')
  return syntax === null || definition === null ? null : { syntax, definition }
}
