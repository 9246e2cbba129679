/** Does to parsed bodies what `buildNativeRequest` does to bytes; written from the rules, not from its code. */

type Fields = Record<string, unknown>

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const defined = (fields: Fields): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
const given = (fields: Fields): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null))

type Known =
  | { kind: 'function'; form: 'nested' | 'flat' | 'anthropic' | 'odd'; parts: Fields; cache: unknown }
  | { kind: 'custom'; form: 'nested' | 'flat'; parts: Fields; cache: unknown }

function known(tool: unknown): Known | null {
  if (!isObject(tool)) return null
  const { type, cache_control: cache } = tool
  const untyped = type === undefined || type === null
  if (isObject(tool.function) && (untyped || type === 'function')) {
    if (!('name' in tool.function)) return null
    return { kind: 'function', form: untyped ? 'odd' : 'nested', parts: tool.function, cache }
  }
  if (isObject(tool.custom) && type === 'custom') {
    return 'name' in tool.custom ? { kind: 'custom', form: 'nested', parts: tool.custom, cache } : null
  }
  if (!('name' in tool)) return null
  const schema = 'input_schema' in tool
  if (type === 'function') return { kind: 'function', form: schema ? 'odd' : 'flat', parts: tool, cache }
  if (schema && (untyped || type === 'custom')) {
    return { kind: 'function', form: 'anthropic', parts: tool, cache }
  }
  if (type === 'custom') return { kind: 'custom', form: 'flat', parts: tool, cache }
  return untyped && 'parameters' in tool ? { kind: 'function', form: 'odd', parts: tool, cache } : null
}

const NO_ARGUMENTS = { type: 'object', properties: {} }

function grammarOf(format: unknown): { syntax: unknown; definition: unknown } | null {
  if (!isObject(format)) return null
  const { syntax, definition } = isObject(format.grammar) ? format.grammar : format
  return syntax === undefined || definition === undefined ? null : { syntax, definition }
}

export function toolFor(tool: unknown, target: 'nested' | 'flat' | 'anthropic', customs: boolean): unknown {
  const found = known(tool)
  if (found === null) return tool
  // A member that is null says nothing.
  const { name, description, strict, parameters, input_schema } = given(found.parts)
  const cache_control = found.cache ?? undefined
  if (found.kind === 'custom' && customs) {
    const { format } = found.parts
    const grammar = grammarOf(format)
    const grammarNested = isObject(format) && isObject(format.grammar)
    if (found.form === target && (grammar === null || grammarNested === (target === 'nested'))) return tool
    // Text without a grammar is the default, and needs no word.
    const ours = target === 'nested' ? { grammar } : grammar
    const parts = defined({
      name,
      description,
      format: grammar === null ? undefined : { type: 'grammar', ...ours },
    })
    return target === 'nested' ? { type: 'custom', custom: parts } : { type: 'custom', ...parts }
  }
  let schema = parameters ?? input_schema
  if (found.kind === 'custom') {
    const grammar = grammarOf(found.parts.format)
    const read = typeof grammar?.definition === 'string'
    const input = {
      type: 'string',
      ...(read && { description: `Has to match this ${grammar.syntax} grammar:\n${grammar.definition}` }),
    }
    schema = { type: 'object', properties: { input }, required: ['input'] }
  } else if (found.form === target) {
    return tool
  }
  if (target === 'anthropic') {
    return defined({
      name,
      description,
      input_schema: schema ?? NO_ARGUMENTS,
      cache_control,
    })
  }
  if (target === 'nested') {
    return {
      type: 'function',
      function: defined({
        name,
        description,
        parameters: schema,
        ...(found.kind === 'function' && { strict }),
      }),
    }
  }
  return {
    type: 'function',
    ...defined({ name, description, parameters: schema ?? NO_ARGUMENTS }),
    strict: found.kind === 'function' && strict !== undefined ? strict : false,
  }
}

export function choiceFor(
  choice: unknown,
  target: 'nested' | 'flat' | 'anthropic',
  customs: readonly unknown[],
): unknown {
  const words: Fields = { auto: 'auto', none: 'none', any: 'any', required: 'any' }
  const kind = words[String(typeof choice === 'string' ? choice : isObject(choice) ? choice.type : '')]
  if (kind !== undefined) {
    if (target === 'anthropic') return { type: kind }
    return kind === 'any' ? 'required' : kind
  }
  if (!isObject(choice)) return undefined
  const type = String(choice.type)
  if (type === 'allowed_tools') {
    const { mode, tools } = (isObject(choice.allowed_tools) ? choice.allowed_tools : choice) as {
      mode: string
      tools: unknown[]
    }
    if (target === 'anthropic') return { type: mode === 'required' ? 'any' : 'auto' }
    const inner = { mode, tools: tools.map((tool) => choiceFor(tool, target, customs)) }
    return target === 'nested' ? { type, allowed_tools: inner } : { type, ...inner }
  }
  if (!['tool', 'function', 'custom'].includes(type)) return undefined
  const inner = choice[type]
  const name = isObject(inner) ? inner.name : choice.name
  if (typeof name !== 'string') return undefined
  if (target === 'anthropic') return { type: 'tool', name }
  const as = customs.includes(name) ? 'custom' : 'function'
  return target === 'nested' ? { type: as, [as]: { name } } : { type: as, name }
}

export function customsIn(tools: unknown): unknown[] {
  if (!Array.isArray(tools)) return []
  return tools
    .map(known)
    .filter((tool) => tool?.kind === 'custom')
    .map((tool) => tool?.parts.name)
}

const nothing = (value: unknown): boolean => value === undefined || value === null

export function responsesFor(body: Fields): Fields {
  const result = { ...body }
  const refused =
    'n seed stop logit_bias logprobs frequency_penalty presence_penalty modalities audio prediction web_search_options messages'
  for (const key of refused.split(' ')) delete result[key]
  for (const key of ['tools', 'tool_choice']) if (result[key] === null) delete result[key]
  if (isObject(body.stream_options) && 'include_usage' in body.stream_options) {
    const { include_usage: _, ...rest } = body.stream_options
    if (Object.keys(rest).length === 0) delete result.stream_options
    else result.stream_options = rest
  }
  const limit = [body.max_output_tokens, body.max_completion_tokens, body.max_tokens].find(
    (each) => !nothing(each),
  )
  delete result.max_completion_tokens
  delete result.max_tokens
  if (limit !== undefined) result.max_output_tokens = limit
  const put = (key: string, part: string, value: unknown): void => {
    const object = result[key]
    if (nothing(value) || !(nothing(object) || isObject(object))) return
    const inner = isObject(object) ? object : {}
    if (nothing(inner[part])) result[key] = { ...inner, [part]: value }
  }
  const { response_format: format, verbosity, reasoning_effort: effort } = body
  if (isObject(format)) {
    put(
      'text',
      'format',
      isObject(format.json_schema) ? { type: 'json_schema', ...format.json_schema } : format,
    )
  }
  if (typeof verbosity === 'string') put('text', 'verbosity', verbosity)
  if (typeof effort === 'string') put('reasoning', 'effort', effort)
  for (const key of ['response_format', 'verbosity', 'reasoning_effort']) delete result[key]
  if (Array.isArray(body.tools)) result.tools = body.tools.map((tool) => toolFor(tool, 'flat', true))
  if ('tool_choice' in result) {
    result.tool_choice = choiceFor(body.tool_choice, 'flat', customsIn(body.tools)) ?? body.tool_choice
  }
  return result
}

export function chatFor(body: Fields, customTools: boolean, reasoning: boolean): Fields {
  const result = { ...body }
  const none = nothing(body.tools) || (Array.isArray(body.tools) && body.tools.length === 0)
  if (none) {
    delete result.tools
    delete result.tool_choice
    delete result.parallel_tool_calls
  } else if (Array.isArray(body.tools)) {
    result.tools = body.tools.map((tool) => toolFor(tool, 'nested', customTools))
  }
  if (isObject(result.tool_choice)) {
    const customs = customTools ? customsIn(body.tools) : []
    result.tool_choice = choiceFor(body.tool_choice, 'nested', customs) ?? body.tool_choice
  }
  // The target with all capabilities takes one name of the limit, and the target with few of them the other.
  const [limit, other] = ['max_completion_tokens', 'max_tokens'].sort(() => (customTools ? 0 : -1)) as [
    string,
    string,
  ]
  if (nothing(body[limit]) && !nothing(body[other])) result[limit] = body[other]
  delete result[other]
  if (reasoning) return result
  delete result.reasoning
  const effort = isObject(body.reasoning) ? body.reasoning.effort : undefined
  if (typeof effort === 'string' && nothing(body.reasoning_effort)) result.reasoning_effort = effort
  return result
}

export function messagesFor(body: Fields): Fields {
  const result = { ...body }
  const refused =
    'stream_options parallel_tool_calls n logprobs frequency_penalty presence_penalty response_format top_logprobs logit_bias seed store modalities audio prediction verbosity reasoning reasoning_effort web_search_options prompt_cache_key prompt_cache_retention safety_identifier include truncation text previous_response_id input max_completion_tokens max_output_tokens user metadata stop'
  for (const key of refused.split(' ')) delete result[key]
  const limits = [body.max_tokens, body.max_completion_tokens, body.max_output_tokens]
  const budget = isObject(body.thinking) ? body.thinking.budget_tokens : undefined
  result.max_tokens =
    limits.find((each) => !nothing(each)) ?? 16_384 + (typeof budget === 'number' && budget > 0 ? budget : 0)
  const own = isObject(body.metadata) ? body.metadata.user_id : undefined
  const id = [own, body.user].find((each) => typeof each === 'string')
  if (id !== undefined) result.metadata = { user_id: id }
  if (nothing(body.stop_sequences) && !nothing(body.stop)) {
    result.stop_sequences = typeof body.stop === 'string' ? [body.stop] : body.stop
  }
  if (!['auto', 'standard_only'].includes(String(body.service_tier))) delete result.service_tier
  if (body.tools === null) delete result.tools
  if (Array.isArray(body.tools)) result.tools = body.tools.map((tool) => toolFor(tool, 'anthropic', false))
  if (Array.isArray(body.tools) && body.tools.length > 0) {
    const { tool_choice: choice } = body
    const ours = isObject(choice) && ['auto', 'any', 'none', 'tool'].includes(String(choice.type))
    const alone = body.parallel_tool_calls === false
    const wanted = ours ? choice : choiceFor(choice, 'anthropic', [])
    if (wanted === undefined && !nothing(choice)) result.tool_choice = choice
    else {
      const kept = (wanted ?? (alone ? { type: 'auto' } : undefined)) as Fields | undefined
      if (kept === undefined) delete result.tool_choice
      else if (alone && kept.type !== 'none' && !('disable_parallel_tool_use' in kept)) {
        result.tool_choice = { ...kept, disable_parallel_tool_use: true }
      } else result.tool_choice = kept
    }
  } else delete result.tool_choice
  if (isObject(body.thinking) && body.temperature !== 1) delete result.temperature
  const own_system = blocksFor(body.system)
  if (own_system !== undefined) result.system = body.system
  if (Array.isArray(body.system) && own_system?.length !== body.system.length) result.system = own_system
  if ('system' in body && typeof body.system === 'string' && own_system?.length === 0) delete result.system
  if (Array.isArray(body.system) && body.system.length > 0 && own_system?.length === 0) delete result.system
  if (!Array.isArray(body.messages)) return result
  const isSystem = (message: unknown): boolean =>
    isObject(message) && ['system', 'developer'].includes(String(message.role))
  const first = body.messages.findIndex((message) => !isSystem(message))
  const leading = body.messages.slice(0, first === -1 ? body.messages.length : first)
  result.messages = body.messages
    .slice(leading.length)
    .map((message) => (isSystem(message) ? { ...message, role: 'user' } : message))
    .reduce((kept: unknown[], message: unknown) => {
      if (!isObject(message)) {
        kept.push(message)
        return kept
      }
      const { content } = message
      const left = Array.isArray(content) ? blocksFor(content, true) : content
      const blank =
        nothing(left) || (typeof left === 'string' ? left.trim() === '' : (left as []).length === 0)
      if (!blank) {
        kept.push({ ...message, content: left })
        return kept
      }
      if (kept.length > 0 || message.role === 'assistant') return kept
      return [{ ...message, content: '(no text)' }]
    }, [])
  const last = (result.messages as unknown[])
    .filter((each) => isObject(each) && each.role === 'assistant')
    .at(-1)
  const content = isObject(last) && Array.isArray(last.content) ? last.content : []
  if (content.some((block) => block.type === 'tool_use') && isObject(body.thinking)) {
    // Its thinking is not known, and a budget requires it.
    if (body.thinking.type === 'enabled') {
      delete result.thinking
      if ('temperature' in body) result.temperature = body.temperature
    }
  }
  if (leading.length === 0) return result
  const blocks = [body.system, ...leading.map(({ content }) => content)].flatMap(
    (content) => blocksFor(content) ?? [],
  )
  if (blocks.length > 0) result.system = blocks
  else delete result.system
  return result
}

/** The blocks of a content that are not blank. */
function blocksFor(content: unknown, renamed = false): Fields[] | undefined {
  if (typeof content === 'string') return content.trim() === '' ? [] : [{ type: 'text', text: content }]
  if (!Array.isArray(content)) return undefined
  return content
    .filter((block) => !(block.type !== 'tool_use' && String(block.text).trim() === '') || !renamed)
    .filter((block) => renamed || String(block.text).trim() !== '')
    .map((block) => (renamed && block.type === 'input_text' ? { ...block, type: 'text' } : block))
}
