import type { ConversationApi } from '../../api/apis.js'
import type { Correction } from './correction.js'
import { type ErrorFacts, readErrorFacts } from './error-facts.js'

/** The request that an upstream refused. */
export interface SentRequest {
  readonly api: ConversationApi
  /**
   * Names of the members of its body; for Gemini, also of its `generationConfig`. Of an object among them also its
   * members, as `reasoning.effort`.
   */
  readonly fields: readonly string[]
}

/** Statuses by which upstreams refuse a request because of what is in it. */
const STATUSES = new Set([400, 404, 422])

/**
 * Reads from an error of an upstream what has to be changed so that the same request is accepted. Nothing has been
 * generated then, so that a second try costs nothing. It finds only changes that the client hardly notices: never one
 * of the conversation, the tools, the model, or the form of the answer.
 * @param body of the error, uncompressed; anything may be in it
 * @returns null if the error says no such thing, or what it names was not sent
 */
export function readCorrection(status: number, body: Buffer, sent: SentRequest): Correction | null {
  if (!STATUSES.has(status)) return null
  const facts = readErrorFacts(body)
  if (facts === null) return null
  if (refusesCustomTools(facts, sent)) return { kind: 'customTools' }
  const to = findOtherApi(status, facts, sent.api)
  if (to !== null) return { kind: 'api', to }
  if (sent.api === 'chat' && refusesThinking(facts)) return { kind: 'chatThinking' }
  if (sent.api === 'messages') {
    if (facts.texts.some((text) => ADAPTIVE_ONLY.test(text))) return { kind: 'thinking', to: 'adaptive' }
    if (facts.texts.some((text) => BUDGET_ONLY.test(text))) return { kind: 'thinking', to: 'budget' }
  }
  return findPair(facts, sent) ?? findRefusedFields(facts, sent)
}

function findPair({ texts }: ErrorFacts, sent: SentRequest): Correction | null {
  for (const text of texts) {
    const [, first = '', second = ''] = NOT_TOGETHER.exec(text) ?? []
    const [one, other] = [findSentField(first, sent), findSentField(second, sent)]
    if (one !== null && other !== null && !isKept(other, sent.api))
      return { kind: 'together', fields: [one, other] }
  }
  return null
}

/** In the words of OpenAI, of servers in Rust, and of C++ ones that look for `function` at once. */
const NO_CUSTOM_TOOLS =
  /Invalid value: ['"`]custom['"`]|unknown variant ['"`]custom['"`]|unsupported tool type:? ['"`]?custom|['"`]?custom['"`]? tools? (?:is|are) not supported|key 'function' not found/i

function refusesCustomTools({ texts, places }: ErrorFacts, { api, fields }: SentRequest): boolean {
  if (api === 'messages' || api === 'gemini' || !fields.includes('tools')) return false
  return (
    texts.some((text) => NO_CUSTOM_TOOLS.test(text)) ||
    places.some(({ path, input }) => path[0] === 'tools' && path.at(-1) === 'type' && input === 'custom')
  )
}

/** By OpenAI, Azure and GitHub, for models that have only Responses. */
const ASK_RESPONSES =
  /only supported in (?:the )?\/?v1\/responses|use (?:the )?(?:\/?v1\/responses|\/responses|Responses API)|not a chat model|chatCompletion operation does not work|not supported in (?:the )?\/?v1\/chat\/completions|only (?:available|supported) (?:in|with|via|through) the Responses API/i
const ASK_CHAT =
  /not supported (?:in|with|by|on) (?:the )?(?:\/?v1\/responses|Responses API)|does not support (?:the )?Responses API|responses operation does not work|use (?:the )?\/?(?:v1\/)?chat\/completions/i
/** GitHub's, with the code `unsupported_api_for_model`. */
const NOT_ACCESSIBLE = /not accessible via the \/?(?:v1\/)?(chat\/completions|responses|messages) endpoint/i
/** The server has no such path: OpenAI's words, and FastAPI's. */
const NO_PATH = /^(?:Not Found|Invalid URL \(POST [^ ]{1,100}\)|Unrecognized request URL\b.{0,200})$/i

function findOtherApi(status: number, { texts }: ErrorFacts, api: ConversationApi): ConversationApi | null {
  const says = (pattern: RegExp): boolean => texts.some((text) => pattern.test(text))
  switch (api) {
    case 'chat':
      return says(ASK_RESPONSES) || says(NOT_ACCESSIBLE) ? 'responses' : null
    case 'responses':
      return says(ASK_CHAT) || says(NOT_ACCESSIBLE) || (status === 404 && says(NO_PATH)) ? 'chat' : null
    case 'messages':
      return says(NOT_ACCESSIBLE) || (status === 404 && says(NO_PATH)) ? 'chat' : null
    case 'gemini':
      return null
  }
}

/** Groq's and Mistral's, which know no `reasoning_content` in a message. */
const NO_THINKING = /messages[^\n]{0,200}property ['"`]reasoning_content['"`] is unsupported/i

function refusesThinking({ texts, places }: ErrorFacts): boolean {
  return (
    texts.some((text) => NO_THINKING.test(text)) ||
    places.some(({ path }) => path[0] === 'messages' && path.at(-1) === 'reasoning_content')
  )
}

/** Anthropic's, since Opus 4.7 and before Opus 4.6. */
const ADAPTIVE_ONLY = /thinking\.type\.enabled['"`]? is not supported/i
const BUDGET_ONLY = /adaptive thinking is not supported/i

const QUOTE = `['"\`]`
/** Each names one refused field. */
const ONE_FIELD: readonly RegExp[] = [
  // OpenAI and Azure.
  new RegExp(`Unsupported (?:parameter|value): ${QUOTE}([\\w.[\\]]{1,80})${QUOTE}`, 'gi'),
  // OpenAI, Go ("json: unknown field"), Rust, and Gemini.
  new RegExp(
    `Unknown (?:parameter|field|argument|name):? \\\\?${QUOTE}([\\w.[\\]]{1,80})\\\\?${QUOTE}(?! at )`,
    'gi',
  ),
  new RegExp(`Unknown name \\\\?${QUOTE}(\\w{1,80})\\\\?${QUOTE} at 'generation_?config'`, 'gi'),
  // Anthropic, and Fireworks.
  /(?:^|[\s"'`])([\w.[\]]{1,80}): Extra inputs are not permitted/gi,
  new RegExp(`Extra inputs are not permitted, field: ${QUOTE}([\\w.[\\]]{1,80})${QUOTE}`, 'gi'),
  // xAI.
  /Argument not supported(?: on this model)?: (\w{1,80})/gi,
  new RegExp(`does not support (?:the )?parameter:? ${QUOTE}?([\\w.]{1,80})`, 'gi'),
  // Groq, and Anthropic ("`temperature` is deprecated for this model").
  new RegExp(`property ${QUOTE}([\\w.]{1,80})${QUOTE} is unsupported`, 'gi'),
  new RegExp(
    `${QUOTE}([\\w.]{1,80})${QUOTE} is (?:not supported|unsupported|not allowed|deprecated|not permitted)`,
    'gi',
  ),
  // Python servers.
  new RegExp(`unexpected keyword argument ${QUOTE}(\\w{1,80})${QUOTE}`, 'gi'),
]
/** Anthropic's: the first of two stays. */
const NOT_TOGETHER = new RegExp(
  `${QUOTE}?(\\w{1,80})${QUOTE}? and ${QUOTE}?(\\w{1,80})${QUOTE}? cannot both be specified`,
  'i',
)
/** Each has a list of them. */
const SEVERAL_FIELDS: readonly RegExp[] = [
  /Unrecognized request arguments? supplied: ([\w.,\s]{1,400})/gi,
  /Additional properties are not allowed \(([^()]{1,400})\)/gi,
]
/** Gemini says it of both penalties. */
const NO_PENALTY = /Penalty is not enabled/i
const PENALTIES = ['presence_penalty', 'frequency_penalty', 'presencePenalty', 'frequencyPenalty']

/** The error is about what is in `param`, and not about its value being too large or of a wrong type. */
const REFUSAL_CODES = new Set(['unsupported_parameter', 'unsupported_value', 'unknown_parameter'])
const REFUSAL = /unsupported (?:parameter|value)|unknown parameter|not supported with|not support/i

function findRefusedFields(facts: ErrorFacts, sent: SentRequest): Correction | null {
  const fields = new Set<string>()
  const limits = new Set<string>()
  const add = (name: string): void => {
    const field = findSentField(name, sent)
    if (field === null) return
    if (LIMITS.has(field)) limits.add(field)
    else if (!isKept(field, sent.api)) fields.add(field)
  }
  for (const text of facts.texts) {
    for (const pattern of ONE_FIELD) for (const [, name = ''] of text.matchAll(pattern)) add(name)
    for (const pattern of SEVERAL_FIELDS)
      for (const [, names = ''] of text.matchAll(pattern))
        for (const name of names.match(/[\w.]+/g) ?? []) add(name)
    if (NO_PENALTY.test(text)) for (const name of PENALTIES) if (sent.fields.includes(name)) fields.add(name)
  }
  for (const { path, type } of facts.places) if (type === 'extra_forbidden') add(path.join('.'))
  if (facts.codes.some((code) => REFUSAL_CODES.has(code)) || facts.texts.some((text) => REFUSAL.test(text)))
    for (const param of facts.params) add(param)
  if (sent.api === 'chat' && limits.size === 1)
    return { kind: 'limitField', to: limits.has('max_tokens') ? 'max_completion_tokens' : 'max_tokens' }
  return fields.size === 0 ? null : { kind: 'drop', fields: [...fields] }
}

/** The limit of output tokens has another name, and stays. */
const LIMITS = new Set(['max_tokens', 'max_completion_tokens'])

/** Parts that mean the member that holds them, if they were not sent themselves. */
const PART_PATH =
  /^(reasoning|output_config|stream_options)\.(?:effort|summary|include_usage|include_obfuscation)$/

/**
 * The field of the request that an error means: it may write the name in another case, or behind a path.
 * @returns null if it was not sent, or is a part of one
 */
function findSentField(name: string, { fields }: SentRequest): string | null {
  const plain = name
    .replace(/\.$/, '')
    .replace(/^body\./, '')
    .replace(/^generation_?config\./i, '')
  for (const path of [plain, PART_PATH.exec(plain)?.[1] ?? plain])
    for (const each of [path, toSnakeCase(path), toCamelCase(path)]) if (fields.includes(each)) return each
  return null
}

function toSnakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

function toCamelCase(name: string): string {
  return name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

/** Without one of these, the client would get something else than it asked for, or would not know. */
const KEPT = new Set([
  ...['model', 'messages', 'input', 'contents', 'prompt', 'system', 'instructions', 'systemInstruction'],
  ...['tools', 'tool_choice', 'toolConfig', 'functions', 'function_call', 'mcp_servers'],
  ...['stream', 'n', 'candidateCount', 'background', 'previous_response_id', 'conversation', 'container'],
  ...['response_format', 'text', 'responseSchema', 'responseMimeType', 'modalities', 'audio', 'prediction'],
  ...['max_output_tokens', 'maxOutputTokens', 'generationConfig', 'safetySettings', 'cachedContent'],
  ...['logprobs', 'top_logprobs', 'responseLogprobs', 'web_search_options'],
  ...['text.format', 'output_config.format', 'thinking.type'],
])

function isKept(field: string, api: ConversationApi): boolean {
  // Responses are stored unless the client says no.
  return KEPT.has(field) || (field === 'store' && api === 'responses')
}
