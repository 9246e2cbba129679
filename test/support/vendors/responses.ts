import {
  anyObject,
  array,
  type Check,
  constant,
  count,
  dataUrl,
  EFFORTS,
  imageUrl,
  jsonObject,
  listOf,
  type Members,
  membersOf,
  number,
  OPENAI_NAME,
  object,
  oneOf,
  openAiMetadata,
  requireDistinct,
  tagged,
  text,
  textOr,
  truth,
  url,
} from './checks.js'

export interface ResponsesRules {
  /** The model reasons: it refuses sampling. One that does not refuses the fields of reasoning. */
  readonly reasons: boolean
  /** The server takes no custom tools. */
  readonly functionsAlone?: boolean
}

/** @returns why OpenAI would refuse the body of a response */
export function validateResponses(body: unknown, rules: ResponsesRules): string[] {
  const problems: string[] = []
  bodyCheck(body, 'body', problems)
  const request = membersOf(body)
  const input = listOf(request.input).map(membersOf)
  checkOrder(input, problems)
  checkReasoning(input, request.store === false, problems)
  checkTools(request, problems)
  const refused = rules.reasons ? ['temperature', 'top_p', 'top_logprobs'] : ['reasoning']
  for (const name of refused) if (request[name] !== undefined) problems.push(`${name} is unsupported`)
  if (!rules.reasons && listOf(request.include).includes('reasoning.encrypted_content')) {
    problems.push('Encrypted content is not supported with this model')
  }
  if (!rules.reasons && input.some(({ type }) => type === 'reasoning'))
    problems.push('reasoning items are unsupported')
  const all = [...input, ...listOf(request.tools).map(membersOf)]
  if (rules.functionsAlone === true && all.some(({ type }) => String(type).startsWith('custom'))) {
    problems.push('custom tools are unsupported')
  }
  return problems
}

const name = text({ pattern: OPENAI_NAME })
const callId = text({ most: 64 })
const itemId = text({ most: 64 })
const status = oneOf('in_progress', 'completed', 'incomplete')
const inputPart = tagged({
  input_text: object({ type: constant('input_text'), text: text() }),
  input_image: object(
    { type: constant('input_image') },
    { image_url: imageUrl, file_id: text(), detail: oneOf('low', 'high', 'auto', 'original') },
  ),
  input_file: object(
    { type: constant('input_file') },
    { file_id: text(), filename: text(), file_data: dataUrl, file_url: url },
  ),
})
const outputPart = tagged({
  output_text: object(
    { type: constant('output_text'), text: text() },
    { annotations: array(anyObject), logprobs: array(anyObject) },
  ),
  refusal: object({ type: constant('refusal'), refusal: text() }),
})
const prompt = (role: string): Check =>
  object({ role: constant(role), content: textOr({}, array(inputPart, 1)) }, { type: constant('message') })
const message = tagged(
  {
    user: prompt('user'),
    system: prompt('system'),
    developer: prompt('developer'),
    assistant: object(
      { role: constant('assistant'), content: textOr({}, array(outputPart, 1)) },
      { type: constant('message'), id: text({ pattern: /^msg_/ }), status },
    ),
  },
  'role',
)
const output = textOr({ empty: true }, array(inputPart, 1))
const typed = tagged({
  message,
  function_call: object(
    { type: constant('function_call'), call_id: callId, name, arguments: jsonObject },
    { id: text({ pattern: /^fc_/ }), status },
  ),
  function_call_output: object(
    { type: constant('function_call_output'), call_id: callId, output },
    { id: itemId, status },
  ),
  custom_tool_call: object(
    { type: constant('custom_tool_call'), call_id: callId, name, input: text({ empty: true }) },
    { id: text({ pattern: /^ctc_/ }) },
  ),
  custom_tool_call_output: object(
    { type: constant('custom_tool_call_output'), call_id: callId, output },
    { id: itemId },
  ),
  reasoning: object(
    { type: constant('reasoning'), id: itemId, summary: array(anyObject) },
    { encrypted_content: text(), content: array(anyObject), status },
  ),
})
const item: Check = (value, path, problems) =>
  (membersOf(value).type === undefined ? message : typed)(value, path, problems)

const tool = tagged({
  function: object(
    { type: constant('function'), name, parameters: anyObject, strict: truth },
    { description: text() },
  ),
  custom: object(
    { type: constant('custom'), name },
    {
      description: text(),
      format: tagged({
        text: object({ type: constant('text') }),
        grammar: object({
          type: constant('grammar'),
          syntax: oneOf('lark', 'regex'),
          definition: text(),
        }),
      }),
    },
  ),
})
const chosen = {
  function: object({ type: constant('function'), name }),
  custom: object({ type: constant('custom'), name }),
}
const choiceObject = tagged({
  ...chosen,
  allowed_tools: object({
    type: constant('allowed_tools'),
    mode: oneOf('auto', 'required'),
    tools: array(tagged(chosen), 1),
  }),
})
const toolChoice: Check = (value, path, problems) =>
  (typeof value === 'string' ? oneOf('auto', 'none', 'required') : choiceObject)(value, path, problems)

const bodyCheck = object(
  { model: text(), input: textOr({}, array(item, 1)) },
  {
    instructions: text(),
    stream: truth,
    store: truth,
    max_output_tokens: count(16),
    temperature: number(0, 2),
    top_p: number(0, 1),
    top_logprobs: number(0, 20, true),
    reasoning: object({}, { effort: oneOf(...EFFORTS), summary: oneOf('auto', 'concise', 'detailed') }),
    include: array(oneOf('reasoning.encrypted_content', 'message.output_text.logprobs')),
    text: object(
      {},
      {
        verbosity: oneOf('low', 'medium', 'high'),
        format: tagged({
          text: object({ type: constant('text') }),
          json_object: object({ type: constant('json_object') }),
          json_schema: object(
            { type: constant('json_schema'), name, schema: anyObject },
            { description: text(), strict: truth },
          ),
        }),
      },
    ),
    user: text(),
    metadata: openAiMetadata,
    prompt_cache_key: text(),
    safety_identifier: text(),
    prompt_cache_retention: text(),
    prompt_cache_options: anyObject,
    service_tier: oneOf('auto', 'default', 'flex', 'scale', 'priority'),
    truncation: oneOf('auto', 'disabled'),
    tools: array(tool, 1, 128),
    tool_choice: toolChoice,
    parallel_tool_calls: truth,
  },
)

function checkTools(request: Members, problems: string[]): void {
  const nameOf = (value: unknown): string => `${membersOf(value).type} ${membersOf(value).name}`
  const names = listOf(request.tools).map(nameOf)
  requireDistinct(names, 'tool names', problems)
  if (request.tools === undefined) {
    if (request.tool_choice !== undefined) problems.push('tool_choice without tools')
    if (request.parallel_tool_calls !== undefined) problems.push('parallel_tool_calls without tools')
    return
  }
  const choice = membersOf(request.tool_choice)
  const asked =
    choice.type === 'allowed_tools' ? listOf(choice.tools).map(nameOf) : choice.type ? [nameOf(choice)] : []
  for (const each of asked) if (!names.includes(each)) problems.push(`tool_choice: there is no ${each}`)
}

/** Each call has one output of its kind, ahead of what the user says next, and each output has a call. */
function checkOrder(input: readonly Members[], problems: string[]): void {
  const open = new Map<unknown, string>()
  const ids: unknown[] = []
  for (const [n, { type, role, call_id: id }] of input.entries()) {
    const kind = String(type)
    if (kind.endsWith('_call')) {
      ids.push(id)
      open.set(id, `${kind}_output`)
    } else if (kind.endsWith('_output')) {
      if (open.get(id) !== kind) problems.push(`input[${n}]: no call found for the output with call_id ${id}`)
      open.delete(id)
    } else if (role !== undefined && role !== 'assistant' && open.size > 0) {
      problems.push(`input[${n}] comes ahead of outputs`)
    }
  }
  requireDistinct(ids, 'call ids', problems)
  for (const id of open.keys()) problems.push(`no tool output found for call ${id}`)
}

/** Reasoning is followed by what it led to, and can be read without the upstream's store. */
function checkReasoning(input: readonly Members[], stateless: boolean, problems: string[]): void {
  const ids = input.filter(({ type }) => type === 'reasoning').map(({ id }) => id)
  requireDistinct(ids, 'ids of reasoning items', problems)
  for (const [n, { type, encrypted_content: content }] of input.entries()) {
    if (type !== 'reasoning') continue
    if (stateless && typeof content !== 'string') problems.push(`input[${n}] is not persisted`)
    const next = input.slice(n + 1).find((each) => each.type !== 'reasoning') ?? {}
    if (next.role === 'assistant' || String(next.type).endsWith('_call')) continue
    problems.push(`input[${n}] is reasoning without its required following item`)
  }
}
