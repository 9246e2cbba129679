import {
  anyObject,
  array,
  base64,
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
} from './checks.js'

export interface ChatRules {
  /** A model of OpenAI's that reasons: it refuses sampling. */
  readonly reasons?: boolean
  /** Mistral takes ids of nine letters and digits. */
  readonly callIds?: 'any' | 'nine'
  /** The server takes no custom tools. */
  readonly functionsAlone?: boolean
  /** What the server adds to OpenAI's messages, and requires where there are calls. */
  readonly thinking?: 'reasoning_content' | 'thought_signature'
  /** OpenRouter. */
  readonly reasoningObject?: boolean
}

/** @returns why OpenAI, or another server with these rules, would refuse the body of a chat completion */
export function validateChat(body: unknown, rules: ChatRules = {}): string[] {
  const problems: string[] = []
  createBodyCheck(rules)(body, 'body', problems)
  const request = membersOf(body)
  checkOrder(listOf(request.messages).map(membersOf), rules, problems)
  checkTools(request, rules, problems)
  if (request.stream_options !== undefined && request.stream !== true)
    problems.push('stream_options without stream')
  if (request.top_logprobs !== undefined && request.logprobs !== true)
    problems.push('top_logprobs without logprobs')
  if (request.max_tokens !== undefined && request.max_completion_tokens !== undefined)
    problems.push('two limits')
  if (rules.reasons === true) {
    for (const name of REFUSED_BY_REASONING)
      if (request[name] !== undefined) problems.push(`${name} is unsupported`)
  }
  return problems
}

const REFUSED_BY_REASONING = [
  ...['temperature', 'top_p', 'presence_penalty', 'frequency_penalty', 'logprobs', 'top_logprobs'],
  ...['logit_bias', 'max_tokens', 'stop'],
]

const textPart = object({ type: constant('text'), text: text() })
const userPart = tagged({
  text: textPart,
  image_url: object({
    type: constant('image_url'),
    image_url: object({ url: imageUrl }, { detail: oneOf('low', 'high', 'auto') }),
  }),
  input_audio: object({
    type: constant('input_audio'),
    input_audio: object({ data: base64, format: oneOf('wav', 'mp3') }),
  }),
  file: object({
    type: constant('file'),
    file: object({}, { filename: text(), file_data: dataUrl, file_id: text() }),
  }),
})
const schemaName = text({ pattern: OPENAI_NAME })
const orNull =
  (check: Check): Check =>
  (value, path, problems) => {
    if (value !== null) check(value, path, problems)
  }

function createBodyCheck(rules: ChatRules): Check {
  const id = text(rules.callIds === 'nine' ? { pattern: /^[a-zA-Z0-9]{9}$/ } : { most: 40 })
  const name = text({ pattern: OPENAI_NAME })
  const extra: Record<string, Check> =
    rules.thinking === 'thought_signature' ? { extra_content: anyObject } : {}
  const call = tagged({
    function: object(
      { id, type: constant('function'), function: object({ name, arguments: jsonObject }) },
      extra,
    ),
    ...(rules.functionsAlone === true
      ? {}
      : {
          custom: object(
            { id, type: constant('custom'), custom: object({ name, input: text({ empty: true }) }) },
            extra,
          ),
        }),
  })
  const system = object({ role: oneOf('system', 'developer'), content: textOr({}, array(textPart, 1)) })
  const reasoning: Record<string, Check> =
    rules.thinking === 'reasoning_content' ? { reasoning_content: text({ empty: true }) } : {}
  const message = tagged(
    {
      system,
      developer: system,
      user: object({ role: constant('user'), content: textOr({}, array(userPart, 1)) }),
      assistant: object(
        // It may have said nothing.
        { role: constant('assistant'), content: orNull(textOr({ empty: true }, array(textPart, 1))) },
        { tool_calls: array(call, 1), ...reasoning },
      ),
      tool: object({
        role: constant('tool'),
        tool_call_id: id,
        content: textOr({ empty: true }, array(textPart, 1)),
      }),
    },
    'role',
  )
  const tool = tagged({
    function: object({
      type: constant('function'),
      function: object({ name }, { description: text(), parameters: anyObject, strict: truth }),
    }),
    ...(rules.functionsAlone === true
      ? {}
      : {
          custom: object({
            type: constant('custom'),
            custom: object({ name }, { description: text(), format: customFormat }),
          }),
        }),
  })
  const effort: Record<string, Check> =
    rules.reasoningObject === true
      ? { reasoning: object({ effort: oneOf(...EFFORTS) }) }
      : { reasoning_effort: oneOf(...EFFORTS) }
  return object(
    { model: text(), messages: array(message, 1) },
    {
      ...effort,
      stream: truth,
      stream_options: object({}, { include_usage: truth, include_obfuscation: truth }),
      max_tokens: count(),
      max_completion_tokens: count(),
      seed: number(-(2 ** 63), 2 ** 63, true),
      temperature: number(0, 2),
      top_p: number(0, 1),
      n: number(1, 128, true),
      frequency_penalty: number(-2, 2),
      presence_penalty: number(-2, 2),
      stop: textOr({}, array(text(), 1, 4)),
      logprobs: truth,
      top_logprobs: number(0, 20, true),
      logit_bias: anyObject,
      verbosity: oneOf('low', 'medium', 'high'),
      user: text(),
      store: truth,
      metadata: openAiMetadata,
      prompt_cache_key: text(),
      safety_identifier: text(),
      prompt_cache_retention: text(),
      prompt_cache_options: anyObject,
      service_tier: oneOf('auto', 'default', 'flex', 'scale', 'priority'),
      response_format: tagged({
        text: object({ type: constant('text') }),
        json_object: object({ type: constant('json_object') }),
        json_schema: object({
          type: constant('json_schema'),
          json_schema: object(
            { name: schemaName },
            { description: text(), schema: anyObject, strict: orNull(truth) },
          ),
        }),
      }),
      tools: array(tool, 1, 128),
      tool_choice: toolChoice,
      parallel_tool_calls: truth,
    },
  )
}

const customFormat = tagged({
  text: object({ type: constant('text') }),
  grammar: object({
    type: constant('grammar'),
    grammar: object({ syntax: oneOf('lark', 'regex'), definition: text() }),
  }),
})
const named = object({ name: text({ pattern: OPENAI_NAME }) })
const chosen = {
  function: object({ type: constant('function'), function: named }),
  custom: object({ type: constant('custom'), custom: named }),
}
const choiceObject = tagged({
  ...chosen,
  allowed_tools: object({
    type: constant('allowed_tools'),
    allowed_tools: object({ mode: oneOf('auto', 'required'), tools: array(tagged(chosen), 1) }),
  }),
})
const toolChoice: Check = (value, path, problems) =>
  (typeof value === 'string' ? oneOf('auto', 'none', 'required') : choiceObject)(value, path, problems)

function nameOf(value: unknown): string {
  const { type, ...rest } = membersOf(value)
  const inner = membersOf(rest[String(type)])
  return `${type} ${inner.name}`
}

function checkTools(request: Members, _rules: ChatRules, problems: string[]): void {
  const names = listOf(request.tools).map(nameOf)
  requireDistinct(names, 'tool names', problems)
  if (request.tools === undefined) {
    if (request.tool_choice !== undefined) problems.push('tool_choice without tools')
    if (request.parallel_tool_calls !== undefined) problems.push('parallel_tool_calls without tools')
    return
  }
  const choice = membersOf(request.tool_choice)
  const allowed = listOf(membersOf(choice.allowed_tools).tools).map(nameOf)
  const asked = choice.type === 'allowed_tools' ? allowed : choice.type === undefined ? [] : [nameOf(choice)]
  for (const name of asked) if (!names.includes(name)) problems.push(`tool_choice: there is no ${name}`)
}

/** Each call is followed by its results directly, and each result belongs to a call. */
function checkOrder(messages: readonly Members[], rules: ChatRules, problems: string[]): void {
  let open = new Set<unknown>()
  for (const [n, message] of messages.entries()) {
    if (message.role === 'tool') {
      if (!open.delete(message.tool_call_id)) problems.push(`messages[${n}] is a result without a call`)
      continue
    }
    if (open.size > 0) problems.push(`messages[${n}] comes ahead of results`)
    const calls = listOf(message.tool_calls).map(membersOf)
    if (message.role === 'assistant' && message.content === null && calls.length === 0) {
      problems.push(`messages[${n}] has neither content nor calls`)
    }
    open = new Set(calls.map(({ id }) => id))
    if (open.size < calls.length) problems.push(`messages[${n}] has two calls with one id`)
    if (calls.length === 0) continue
    if (rules.thinking === 'reasoning_content' && typeof message.reasoning_content !== 'string') {
      problems.push(`messages[${n}] has no reasoning_content`)
    }
    const google = membersOf(membersOf(calls[0]?.extra_content).google)
    if (rules.thinking === 'thought_signature' && typeof google.thought_signature !== 'string') {
      problems.push(`messages[${n}].tool_calls[0] is missing a thought_signature`)
    }
  }
  if (open.size > 0) problems.push('the last calls have no results')
}
