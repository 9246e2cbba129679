import type { ConversationApi } from '../../api/apis.js'
import type { ModelTraits } from '../../api/model-traits.js'
import { type Api, PRESETS, type PresetName } from '../../api/presets.js'
import { isObject } from '../../json/values.js'

/** A request as a provider gets it. */
export interface ProviderRequest {
  readonly api: ConversationApi
  readonly model: string
  readonly body: Readonly<Record<string, unknown>>
  /** What the model at this provider wants, by the built-in table. */
  readonly traits: ModelTraits
  /** Null: a server of which nothing is known. */
  readonly preset: PresetName | null
}

/** An error as the provider sends it. */
export interface Refusal {
  readonly status: number
  readonly body: unknown
}

/** Whose words errors have. */
type Family = 'openai' | 'anthropic' | 'gemini' | 'mistral' | 'xai' | 'other'

const FAMILIES: Readonly<Partial<Record<PresetName, Family>>> = {
  openai: 'openai',
  azure: 'openai',
  'azure-deployments': 'openai',
  helicone: 'openai',
  anthropic: 'anthropic',
  bedrock: 'anthropic',
  gemini: 'gemini',
  'gemini-native': 'gemini',
  mistral: 'mistral',
  xai: 'xai',
}

type Words = (problem: string, param: string | null, code: string | null) => Refusal

/** The form of each family's errors, by the error pages of their API references. */
const FORMS: Readonly<Record<Family, Words>> = {
  openai: (message, param, code) => ({
    status: 400,
    body: { error: { message, type: 'invalid_request_error', param, code } },
  }),
  anthropic: (message) => ({
    status: 400,
    body: { type: 'error', error: { type: 'invalid_request_error', message }, request_id: 'req_double' },
  }),
  gemini: (message) => ({
    status: 400,
    body: [{ error: { code: 400, message, status: 'INVALID_ARGUMENT' } }],
  }),
  mistral: (message) => ({
    status: 400,
    body: { object: 'error', message, type: 'invalid_request_error', param: null, code: '3051' },
  }),
  xai: (message) => ({
    status: 400,
    body: { code: 'Client specified an invalid argument', error: message },
  }),
  other: (message) => ({ status: 400, body: { error: { message, type: 'invalid_request_error' } } }),
}

/** How each family says that it does not take a field. */
const FIELD_WORDS: Readonly<Record<Family, (field: string) => string>> = {
  openai: (field) => `Unsupported parameter: '${field}' is not supported with this model.`,
  anthropic: (field) => `\`${field}\` is deprecated for this model.`,
  gemini: (field) =>
    /penalty/i.test(field)
      ? 'Penalty is not enabled for this model'
      : `Invalid JSON payload received. Unknown name "${field}": Cannot find field.`,
  mistral: (field) =>
    JSON.stringify({
      detail: [{ type: 'extra_forbidden', loc: ['body', field], msg: 'Extra inputs are not permitted' }],
    }),
  xai: (field) => `Argument not supported on this model: ${field}`,
  other: (field) => `property '${field}' is unsupported`,
}

/** A rule by which a provider refuses a request. @returns null if it does not */
type Rule = (request: ProviderRequest, refuse: Words, family: Family) => Refusal | null

/** In the order in which providers look. */
const RULES: readonly Rule[] = [
  // A path that it does not have.
  ({ api, preset }, refuse) => {
    const apis: readonly Api[] | null = preset === null ? null : PRESETS[preset].apis
    if (apis === null || (apis as readonly string[]).includes(api)) return null
    return { ...refuse('Not Found', null, null), status: 404 }
  },
  // OpenAI: a model without chat completions, and one that does not reason there beside tools.
  ({ api, model, body, traits }, refuse, family) => {
    if (api !== 'chat' || traits.api !== 'responses' || family !== 'openai') return null
    if (/codex|-pro\b/.test(model))
      return refuse(
        'This model is only supported in v1/responses and not in v1/chat/completions.',
        'model',
        null,
      )
    return /gpt-(?:5\.\d|[6-9])/.test(model) && isFilled(body.tools) && body.reasoning_effort !== 'none'
      ? refuse(
          `Function tools with reasoning_effort are not supported for ${model} in /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'.`,
          'reasoning_effort',
          null,
        )
      : null
  },
  refuseFields,
  // The older name of the limit.
  ({ api, body, traits }, refuse, family) =>
    api === 'chat' &&
    family === 'openai' &&
    traits.limitField === 'max_completion_tokens' &&
    traits.refuses.length > 0 &&
    body.max_tokens !== undefined
      ? refuse(
          "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
          'max_tokens',
          'unsupported_parameter',
        )
      : null,
  ({ api, body, traits }, refuse, family) => {
    if ((api !== 'chat' && api !== 'responses') || traits.customTools || !hasCustomTool(body)) return null
    return family === 'openai'
      ? refuse("Invalid value: 'custom'. Supported values are: 'function'.", 'tools[0].type', 'invalid_value')
      : {
          ...refuse('tools[3].type: unknown variant `custom`, expected `function`', null, null),
          status: 422,
        }
  },
  refuseEffort,
  refuseClaudeFields,
  refuseHistory,
  // Mistral.
  ({ api, body, traits }, refuse) => {
    const wrong = api !== 'chat' || traits.callIds !== 'nine' ? undefined : findWrongId(body)
    return wrong === undefined
      ? null
      : refuse(`Tool call id was ${wrong} but must be a-z, A-Z, 0-9, with a length of 9.`, null, null)
  },
]

/** Finds why a provider refuses a request: by what it is known to refuse. @returns null if it takes it */
export function findRefusal(request: ProviderRequest): Refusal | null {
  const family = request.preset === null ? 'other' : (FAMILIES[request.preset] ?? 'other')
  for (const rule of RULES) {
    const refusal = rule(request, FORMS[family], family)
    if (refusal !== null) return refusal
  }
  return null
}

function refuseFields({ body, traits }: ProviderRequest, refuse: Words, family: Family): Refusal | null {
  const config = isObject(body.generationConfig) ? body.generationConfig : {}
  const field = traits.refuses.find((name) => body[name] !== undefined || config[name] !== undefined)
  if (field === undefined) return null
  // Claude refuses `top_p` beside `temperature`, until both are refused.
  if (family === 'anthropic' && field === 'top_p' && traits.refuses.length === 1)
    return body.temperature === undefined
      ? null
      : refuse(
          '`temperature` and `top_p` cannot both be specified for this model. Please use only one.',
          null,
          null,
        )
  return refuse(FIELD_WORDS[family](field), field, 'unsupported_parameter')
}

function refuseEffort({ api, body, traits }: ProviderRequest, refuse: Words): Refusal | null {
  const { efforts } = traits
  const inner = isObject(body.reasoning) ? body.reasoning.effort : undefined
  const effort = api === 'chat' ? body.reasoning_effort : api === 'responses' ? inner : undefined
  if (efforts === null || typeof effort !== 'string' || efforts.includes(effort)) return null
  const field = api === 'chat' ? 'reasoning_effort' : 'reasoning.effort'
  return efforts.length === 0
    ? refuse(
        `Unsupported parameter: '${field}' is not supported with this model.`,
        field,
        'unsupported_parameter',
      )
    : refuse(
        `Unsupported value: '${effort}' is not supported with this model. Supported values are: ${efforts.map((each) => `'${each}'`).join(', ')}.`,
        field,
        'unsupported_value',
      )
}

/** Messages API reference, Extended thinking and Adaptive thinking. */
function refuseClaudeFields({ api, model, body, traits }: ProviderRequest, refuse: Words): Refusal | null {
  if (api !== 'messages') return null
  const says = (message: string): Refusal => refuse(message, null, null)
  const limit = body.max_tokens
  if (typeof limit !== 'number') return says('max_tokens: Field required')
  const most = traits.maxOutputTokens
  if (most !== null && limit > most)
    return says(
      `max_tokens: ${limit} > ${most}, which is the maximum allowed number of output tokens for ${model}`,
    )
  const thinking = isObject(body.thinking) ? body.thinking : {}
  if (thinking.type === 'enabled') {
    if (traits.thinking === 'none') return says('thinking: Extra inputs are not permitted')
    if (traits.thinking === 'adaptive' && traits.refuses.includes('temperature'))
      return says(
        '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.',
      )
    if (typeof thinking.budget_tokens === 'number' && thinking.budget_tokens >= limit)
      return says('`max_tokens` must be greater than `thinking.budget_tokens`.')
  }
  if (thinking.type === 'adaptive' && traits.thinking !== 'adaptive')
    return says('adaptive thinking is not supported on this model')
  return null
}

/** Thinking that has to come back beside tool calls. */
function refuseHistory({ api, body, traits }: ProviderRequest, refuse: Words): Refusal | null {
  const says = (message: string): Refusal => refuse(message, null, null)
  if (api === 'gemini') {
    const parts = listOf(body.contents).flatMap((content) => listOf(content.parts))
    const bare = parts.some((part) => part.functionCall !== undefined && part.thoughtSignature === undefined)
    return bare ? says('Function call is missing a thought_signature in functionCall parts.') : null
  }
  if (api !== 'chat') return null
  const messages = listOf(body.messages)
  const at = messages.findIndex((message) => isFilled(message.tool_calls) && lacksThought(message, traits))
  if (at === -1) return null
  return traits.chatThinking === 'reasoning_content'
    ? says(`Missing \`reasoning_content\` field in the assistant message at message index ${at}.`)
    : says('Function call is missing a thought_signature in functionCall parts.')
}

function lacksThought(message: Readonly<Record<string, unknown>>, { chatThinking }: ModelTraits): boolean {
  if (chatThinking === 'reasoning_content') return typeof message.reasoning_content !== 'string'
  return (
    chatThinking === 'thought_signature' &&
    !JSON.stringify(message.tool_calls).includes('"thought_signature"')
  )
}

function findWrongId({ messages }: ProviderRequest['body']): string | undefined {
  return listOf(messages)
    .flatMap((message) => [...listOf(message.tool_calls).map(({ id }) => id), message.tool_call_id])
    .find((id): id is string => typeof id === 'string' && !/^[A-Za-z0-9]{9}$/.test(id))
}

function hasCustomTool({ tools }: ProviderRequest['body']): boolean {
  return listOf(tools).some(({ type }) => type === 'custom')
}

function listOf(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}

function isFilled(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0
}
