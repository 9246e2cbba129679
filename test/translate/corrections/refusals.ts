import type { ConversationApi } from '../../../src/api/apis.js'
import type { Correction } from '../../../src/translate/corrections/correction.js'

/** An error of an upstream, in its form, and what it says has to be changed. */
export interface Refusal {
  readonly name: string
  /** 400 if it is not given. */
  readonly status?: number
  readonly body: unknown
  readonly api: ConversationApi
  readonly expected: Correction | null
}

/** What a client of each API sends. */
export const FIELDS: Readonly<Record<ConversationApi, readonly string[]>> = {
  chat: [
    ...['model', 'messages', 'tools', 'tool_choice', 'stream', 'stream_options', 'temperature', 'top_p', 'n'],
    ...['max_tokens', 'presence_penalty', 'frequency_penalty', 'logprobs', 'stop', 'store', 'metadata'],
    ...['reasoning_effort', 'parallel_tool_calls', 'response_format', 'seed', 'prompt_cache_key', 'user'],
    'stream_options.include_usage',
  ],
  responses: [
    ...['model', 'input', 'instructions', 'tools', 'stream', 'temperature', 'top_p', 'reasoning', 'store'],
    ...['include', 'max_output_tokens', 'text', 'previous_response_id', 'prompt_cache_retention'],
    ...['reasoning.effort', 'reasoning.summary', 'text.verbosity', 'text.format'],
  ],
  messages: [
    ...['model', 'messages', 'system', 'tools', 'stream', 'max_tokens', 'temperature', 'top_p', 'top_k'],
    ...['thinking', 'output_config', 'metadata', 'context_management'],
    ...['thinking.type', 'thinking.budget_tokens', 'output_config.effort'],
  ],
  gemini: [
    ...['contents', 'tools', 'systemInstruction', 'generationConfig', 'temperature', 'presencePenalty'],
    ...['thinkingConfig', 'maxOutputTokens', 'labels', 'topK', 'thinkingConfig.thinkingBudget'],
  ],
}

const openai = (message: string, param: string | null, code: string | null): unknown => ({
  error: { message, type: 'invalid_request_error', param, code },
})
const anthropic = (message: string): unknown => ({
  type: 'error',
  error: { type: 'invalid_request_error', message },
  request_id: 'req_1',
})
const gemini = (message: string): unknown => [
  {
    error: {
      code: 400,
      message,
      status: 'INVALID_ARGUMENT',
      details: [
        { '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations: [{ description: message }] },
      ],
    },
  },
]
const drop = (...fields: string[]): Correction => ({ kind: 'drop', fields })
const api = (to: ConversationApi): Correction => ({ kind: 'api', to })

const ONLY_RESPONSES = 'This model is only supported in v1/responses and not in v1/chat/completions.'
const TOOLS_AND_EFFORT =
  "Function tools with reasoning_effort are not supported for gpt-5.6 in /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'."

const REFUSED_FIELDS: readonly Refusal[] = [
  {
    name: 'OpenAI: a parameter',
    body: openai(
      "Unsupported parameter: 'temperature' is not supported with this model.",
      'temperature',
      'unsupported_parameter',
    ),
    api: 'responses',
    expected: drop('temperature'),
  },
  {
    name: 'Azure: a value',
    body: openai(
      "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.",
      'temperature',
      'unsupported_value',
    ),
    api: 'chat',
    expected: drop('temperature'),
  },
  {
    name: 'OpenAI: an effort, in Responses',
    body: openai(
      "Unsupported value: 'minimal' is not supported with the 'gpt-5.1' model. Supported values are: 'none', 'low', 'medium', and 'high'.",
      'reasoning.effort',
      'unsupported_value',
    ),
    api: 'responses',
    expected: drop('reasoning.effort'),
  },
  {
    name: 'OpenAI: a summary, for an organization that is not verified',
    body: openai(
      'Your organization must be verified to generate reasoning summaries.',
      'reasoning.summary',
      'unsupported_value',
    ),
    api: 'responses',
    expected: drop('reasoning.summary'),
  },
  {
    name: 'OpenAI: a part of text',
    body: openai(
      "Unsupported parameter: 'text.verbosity' is not supported with this model.",
      'text.verbosity',
      'unsupported_parameter',
    ),
    api: 'responses',
    expected: drop('text.verbosity'),
  },
  {
    name: 'OpenAI: the form of the answer, which is kept',
    body: openai("Unsupported parameter: 'text.format'", 'text.format', 'unsupported_parameter'),
    api: 'responses',
    expected: null,
  },
  {
    name: 'Anthropic: a part of thinking',
    body: anthropic('thinking.budget_tokens: Extra inputs are not permitted'),
    api: 'messages',
    expected: drop('thinking.budget_tokens'),
  },
  {
    name: 'Gemini: parts of the generation config by their other names',
    body: {
      error: {
        code: 400,
        status: 'INVALID_ARGUMENT',
        message:
          "'generation_config.top_k' is not supported. 'generation_config.thinking_config.thinking_budget' is not supported.",
      },
    },
    api: 'gemini',
    expected: drop('topK', 'thinkingConfig.thinkingBudget'),
  },
  {
    name: 'OpenAI: an effort, in chat completions',
    body: openai('Unrecognized request argument supplied: reasoning_effort', null, null),
    api: 'chat',
    expected: drop('reasoning_effort'),
  },
  {
    name: 'OpenAI: several arguments',
    body: openai('Unrecognized request arguments supplied: prompt_cache_key, store', null, null),
    api: 'chat',
    expected: drop('prompt_cache_key', 'store'),
  },
  {
    name: 'OpenAI: an unknown parameter',
    body: openai(
      "Unknown parameter: 'prompt_cache_retention'.",
      'prompt_cache_retention',
      'unknown_parameter',
    ),
    api: 'responses',
    expected: drop('prompt_cache_retention'),
  },
  {
    name: 'OpenAI: reasoning that cannot be encrypted',
    body: openai('Encrypted content is not supported with this model.', 'include', 'invalid_value'),
    api: 'responses',
    expected: drop('include'),
  },
  {
    name: 'Anthropic: a field that it does not have',
    body: anthropic('context_management: Extra inputs are not permitted'),
    api: 'messages',
    expected: drop('context_management'),
  },
  {
    name: 'Anthropic: thinking',
    body: anthropic('thinking: Extra inputs are not permitted'),
    api: 'messages',
    expected: drop('thinking'),
  },
  {
    name: 'Anthropic: two fields together',
    body: anthropic(
      '`temperature` and `top_p` cannot both be specified for this model. Please use only one.',
    ),
    api: 'messages',
    expected: { kind: 'together', fields: ['temperature', 'top_p'] },
  },
  {
    name: 'Anthropic: a deprecated field',
    body: anthropic('`temperature` is deprecated for this model.'),
    api: 'messages',
    expected: drop('temperature'),
  },
  {
    name: 'Gemini, compatible: two unknown names',
    body: gemini(
      'Invalid JSON payload received. Unknown name "metadata": Cannot find field.\nInvalid JSON payload received. Unknown name "store": Cannot find field.',
    ),
    api: 'chat',
    expected: drop('metadata', 'store'),
  },
  {
    name: 'Gemini, native: a name in its config',
    body: gemini(
      'Invalid JSON payload received. Unknown name "thinkingConfig" at \'generation_config\': Cannot find field.',
    ),
    api: 'gemini',
    expected: drop('thinkingConfig'),
  },
  {
    name: 'Gemini: penalties',
    body: gemini('Penalty is not enabled for models/gemini-2.5-pro'),
    api: 'chat',
    expected: drop('presence_penalty', 'frequency_penalty'),
  },
  {
    name: 'Mistral: a list by pydantic',
    status: 422,
    body: {
      object: 'error',
      message: {
        detail: [
          { type: 'extra_forbidden', loc: ['body', 'stream_options'], msg: 'Extra inputs are not permitted' },
          { type: 'extra_forbidden', loc: ['body', 'seed'], msg: 'Extra inputs are not permitted', input: 1 },
        ],
      },
      type: 'invalid_request_error',
      param: null,
      code: null,
    },
    api: 'chat',
    expected: drop('stream_options', 'seed'),
  },
  {
    name: 'Mistral: a part of a field',
    status: 422,
    body: {
      object: 'error',
      message: {
        detail: [
          {
            type: 'extra_forbidden',
            loc: ['body', 'stream_options', 'include_usage'],
            msg: 'Extra inputs are not permitted',
            input: true,
          },
        ],
      },
    },
    api: 'chat',
    expected: drop('stream_options.include_usage'),
  },
  {
    name: 'Mistral: a list as text',
    status: 422,
    body: {
      object: 'error',
      message:
        '{"detail":[{"type":"extra_forbidden","loc":["body","frequency_penalty"],"msg":"Extra inputs are not permitted","input":0.0}]}',
      type: 'internal_error_proxy',
    },
    api: 'chat',
    expected: drop('frequency_penalty'),
  },
  {
    name: 'vLLM: a list as Python prints it',
    body: {
      object: 'error',
      message:
        "[{'type': 'extra_forbidden', 'loc': ('body', 'prompt_cache_key'), 'msg': 'Extra inputs are not permitted', 'input': 'x'}]",
      type: 'BadRequestError',
      param: null,
      code: 400,
    },
    api: 'chat',
    expected: drop('prompt_cache_key'),
  },
  {
    name: 'FastAPI: a list',
    status: 422,
    body: {
      detail: [{ type: 'extra_forbidden', loc: ['body', 'user'], msg: 'Extra inputs are not permitted' }],
    },
    api: 'chat',
    expected: drop('user'),
  },
  {
    name: 'Fireworks',
    body: openai("Extra inputs are not permitted, field: 'parallel_tool_calls', value: True", null, null),
    api: 'chat',
    expected: drop('parallel_tool_calls'),
  },
  {
    name: 'xAI: an argument',
    body: {
      code: 'Client specified an invalid argument',
      error: 'Argument not supported on this model: presencePenalty',
    },
    api: 'chat',
    expected: drop('presence_penalty'),
  },
  {
    name: 'xAI: a parameter',
    body: { code: 'invalid-argument', error: 'Model grok-4.20 does not support parameter reasoningEffort.' },
    api: 'chat',
    expected: drop('reasoning_effort'),
  },
  {
    name: 'Groq: a property',
    body: openai("property 'store' is unsupported", null, null),
    api: 'chat',
    expected: drop('store'),
  },
  {
    name: 'Groq: an effort',
    body: openai('`reasoning_effort` is not supported with this model', 'reasoning_effort', null),
    api: 'chat',
    expected: drop('reasoning_effort'),
  },
  {
    name: 'OpenRouter: the error of a provider in its own',
    body: {
      error: {
        message: 'Provider returned error',
        code: 400,
        metadata: {
          raw: '{"error":{"message":"Unsupported parameter: \'top_p\' is not supported with this model.","param":"top_p"}}',
          provider_name: 'OpenAI',
        },
      },
    },
    api: 'chat',
    expected: drop('top_p'),
  },
  {
    name: 'LiteLLM: the error of a provider behind a name',
    body: {
      error: {
        message:
          'litellm.BadRequestError: AnthropicException - {"type":"error","error":{"type":"invalid_request_error","message":"top_k: Extra inputs are not permitted"}}',
        type: null,
        param: null,
        code: '400',
      },
    },
    api: 'messages',
    expected: drop('top_k'),
  },
  {
    name: 'a JSON schema',
    body: { error: "Additional properties are not allowed ('seed', 'user' were unexpected)" },
    api: 'chat',
    expected: drop('seed', 'user'),
  },
  {
    name: 'a server in Go',
    body: { error: 'json: unknown field "metadata"' },
    api: 'chat',
    expected: drop('metadata'),
  },
]

const OTHERS: readonly Refusal[] = [
  {
    name: 'OpenAI: the name of the limit',
    body: openai(
      "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
      'max_tokens',
      'unsupported_parameter',
    ),
    api: 'chat',
    expected: { kind: 'limitField', to: 'max_completion_tokens' },
  },
  {
    name: 'OpenAI: only Responses',
    status: 404,
    body: openai(ONLY_RESPONSES, 'model', null),
    api: 'chat',
    expected: api('responses'),
  },
  {
    name: 'OpenAI: no chat model',
    status: 404,
    body: openai(
      'This is not a chat model and thus not supported in the v1/chat/completions endpoint. Did you mean to use v1/completions?',
      'model',
      null,
    ),
    api: 'chat',
    expected: api('responses'),
  },
  {
    name: 'OpenAI: tools and an effort',
    body: openai(TOOLS_AND_EFFORT, 'reasoning_effort', null),
    api: 'chat',
    expected: api('responses'),
  },
  {
    name: 'Azure: an operation',
    body: {
      error: {
        code: 'OperationNotSupported',
        message:
          'The chatCompletion operation does not work with the specified model, gpt-5.1-codex. Please choose different model and try again.',
      },
    },
    api: 'chat',
    expected: api('responses'),
  },
  {
    name: 'GitHub: an endpoint',
    body: {
      error: {
        message: 'model "gpt-5.3-codex" is not accessible via the /chat/completions endpoint',
        code: 'unsupported_api_for_model',
      },
    },
    api: 'chat',
    expected: api('responses'),
  },
  {
    name: 'a model without Responses',
    body: openai('This model is not supported with the Responses API.', 'model', null),
    api: 'responses',
    expected: api('chat'),
  },
  {
    name: 'a server without Responses',
    status: 404,
    body: { detail: 'Not Found' },
    api: 'responses',
    expected: api('chat'),
  },
  {
    name: 'OpenAI: custom tools',
    body: openai(
      "Invalid value: 'custom'. Supported values are: 'function'.",
      'tools[0].type',
      'invalid_value',
    ),
    api: 'responses',
    expected: { kind: 'customTools' },
  },
  {
    name: 'a server in Rust: custom tools',
    status: 422,
    body: { error: 'tools[0].type: unknown variant `custom`, expected `function` at line 1 column 80' },
    api: 'chat',
    expected: { kind: 'customTools' },
  },
  {
    name: 'pydantic: custom tools',
    body: {
      detail: [
        {
          type: 'literal_error',
          loc: ['body', 'tools', 0, 'type'],
          msg: "Input should be 'function'",
          input: 'custom',
        },
      ],
    },
    api: 'chat',
    expected: { kind: 'customTools' },
  },
  {
    name: 'Anthropic: a budget for a model that thinks by effort',
    body: anthropic(
      '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.',
    ),
    api: 'messages',
    expected: { kind: 'thinking', to: 'adaptive' },
  },
  {
    name: 'Anthropic: an effort for a model that thinks by budget',
    body: anthropic('adaptive thinking is not supported on this model'),
    api: 'messages',
    expected: { kind: 'thinking', to: 'budget' },
  },
  {
    name: 'Groq: earlier thinking',
    body: openai(
      "'messages.1' : for 'role:assistant' the following must be satisfied[('messages.1' : property 'reasoning_content' is unsupported)]",
      null,
      null,
    ),
    api: 'chat',
    expected: { kind: 'chatThinking' },
  },
  {
    name: 'Mistral: earlier thinking',
    status: 422,
    body: {
      detail: [
        {
          type: 'extra_forbidden',
          loc: ['body', 'messages', 3, 'assistant', 'reasoning_content'],
          msg: 'Extra inputs are not permitted',
        },
      ],
    },
    api: 'chat',
    expected: { kind: 'chatThinking' },
  },
]

/** Errors that no change of the request's form cures, or whose cure would change what the client gets. */
const NONE: readonly Refusal[] = [
  ...['messages', 'tools', 'model', 'stream', 'n', 'response_format', 'logprobs', 'tool_choice'].map(
    (field): Refusal => ({
      name: `a refusal of ${field}`,
      body: openai(
        `Unsupported parameter: '${field}' is not supported with this model.`,
        field,
        'unsupported_parameter',
      ),
      api: 'chat',
      expected: null,
    }),
  ),
  {
    name: 'a refusal of store in Responses, which are stored without it',
    body: openai("Unknown parameter: 'store'.", 'store', 'unknown_parameter'),
    api: 'responses',
    expected: null,
  },
  {
    name: 'a field that was not sent',
    body: openai(
      "Unsupported parameter: 'verbosity' is not supported with this model.",
      'verbosity',
      'unsupported_parameter',
    ),
    api: 'chat',
    expected: null,
  },
  {
    name: 'a value that is out of range',
    body: openai(
      "Invalid 'temperature': decimal above maximum value. Expected a value <= 2.",
      'temperature',
      'decimal_above_max_value',
    ),
    api: 'chat',
    expected: null,
  },
  {
    name: 'a limit that is too large',
    body: openai(
      'max_tokens is too large: 100000. This model supports at most 16384 completion tokens.',
      'max_tokens',
      'invalid_value',
    ),
    api: 'chat',
    expected: null,
  },
  {
    name: 'a prompt that is too long',
    body: openai(
      "This model's maximum context length is 128000 tokens.",
      'messages',
      'context_length_exceeded',
    ),
    api: 'chat',
    expected: null,
  },
  {
    name: 'a role in a message',
    body: openai(
      "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
      'messages[0].role',
      'unsupported_value',
    ),
    api: 'chat',
    expected: null,
  },
  {
    name: 'a name in a tool of Gemini',
    body: gemini(
      'Invalid JSON payload received. Unknown name "store" at \'tools[0].function_declarations[0].parameters\': Cannot find field.',
    ),
    api: 'chat',
    expected: null,
  },
  {
    name: 'a member of a message of Anthropic',
    body: anthropic('messages.1.content.0.text.metadata: Extra inputs are not permitted'),
    api: 'messages',
    expected: null,
  },
  {
    name: 'a model that does not exist',
    status: 404,
    body: openai(
      'The model `gpt-9` does not exist or you do not have access to it.',
      null,
      'model_not_found',
    ),
    api: 'responses',
    expected: null,
  },
  {
    name: 'a key that is wrong',
    status: 401,
    body: openai(
      "Unsupported parameter: 'temperature' is not supported with this model.",
      'temperature',
      null,
    ),
    api: 'chat',
    expected: null,
  },
]

/** All of them. */
export const REFUSALS: readonly Refusal[] = [...REFUSED_FIELDS, ...OTHERS, ...NONE]
