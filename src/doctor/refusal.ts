import { findTraits } from '../api/model-table.js'
import type { ModelTraits } from '../api/model-traits.js'
import { QUOTA_TEXT } from '../routing/error-words.js'
import { type Correction, correctTraits, formatConfigLine } from '../translate/corrections/correction.js'
import { readCorrection } from '../translate/corrections/read-correction.js'
import { fail, type Seen } from './finding.js'
import { decodeBody, findHeader, type HttpResponse } from './http-request.js'
import { detectBodyKind, parseBody, quoteBody, readField } from './quote.js'

/** Where the relay sends a model. */
export interface ModelPlace {
  readonly upstream: string
  /** The name that the upstream gets. */
  readonly model: string
  readonly traits: ModelTraits
  /** An entry of `modelTraits` matches it already. */
  readonly hasEntry: boolean
}

/** Finds where the relay sends a model. @returns null if its config is not known here, or has no such model */
export type FindPlace = (model: string) => ModelPlace | null

/** A correct request that was refused. */
export interface RefusedRequest {
  /** As the client names it. */
  readonly model: string
  readonly body: string
  readonly key: string
  readonly thinwire: boolean
  /** The base URL is one for Cursor, where the relay fits bodies to their models. */
  readonly cursor: boolean
  /** Null if it is not known. */
  readonly place: ModelPlace | null
}

/** A cause in an error's words, and what to change. */
interface Cause {
  readonly status?: readonly number[]
  readonly pattern: RegExp
  /** In plain words. */
  readonly what: string
  readonly cure: (refused: RefusedRequest, match: RegExpExecArray) => readonly string[]
}

const MODEL_SETTING = ({ model, place }: RefusedRequest): string =>
  place === null || place.model === model
    ? `name a model that the upstream has: "model" in models: {"${model}": {...}}`
    : `models.${model}.model is "${place.model}": write a name that the upstream ${place.upstream} has`

/** Causes that are no field of the request, in the words of the APIs. The first that matches is reported. */
const CAUSES: readonly Cause[] = [
  {
    pattern: new RegExp(`insufficient_quota|billing|${QUOTA_TEXT.source}`, 'i'),
    what: 'the account at the provider has no credit',
    cure: () => ['add credit at the provider, or raise the limit of its key'],
  },
  {
    status: [402],
    pattern: /^/,
    what: 'the account at the provider has no credit',
    cure: () => ['add credit at the provider, or raise the limit of its key'],
  },
  {
    status: [429],
    pattern: /^/,
    what: 'too many requests or tokens',
    cure: () => ['Cursor ends an agent run on 429; check the limits of the provider and of the key'],
  },
  // OpenAI, Anthropic, Ollama, vLLM, OpenRouter, Gemini; Azure names the deployment.
  {
    status: [400, 403, 404, 422],
    pattern:
      /model[^\n]{0,120}(?:does not exist|not found|is not available|not a valid|no longer available)|^\d+: model: |(?:invalid|unknown|no such) model|model_not_found|DeploymentNotFound|deployment[^\n]{0,60}does not exist|not have access to (?:the )?model/i,
    what: 'the upstream has no such model, or the key may not use it',
    cure: (refused) => [MODEL_SETTING(refused)],
  },
  // Ollama, OpenRouter, Groq, Gemma at Google.
  {
    pattern:
      /does not support (?:tools|function calling|tool use)|support tool use|(?:tools|tool calling|tool use|function calling) (?:is|are) not (?:supported|enabled)/i,
    what: 'this model takes no tools, so that Cursor can use it in Ask mode alone',
    cure: (refused) => [`take a model with tools for ${refused.model} (Ollama: one with the label "tools")`],
  },
  {
    pattern: /enable-auto-tool-choice|tool-call-parser/i,
    what: 'vLLM was started without tools',
    cure: () => ['start vLLM with --enable-auto-tool-choice --tool-call-parser PARSER (hermes, for example)'],
  },
  {
    pattern: /requires? --jinja|--jinja flag/i,
    what: 'llama.cpp was started without templates for tools',
    cure: () => ['start llama-server with --jinja'],
  },
  // Anthropic: a limit that the thinking does not fit into.
  {
    pattern: /max_tokens[^\n]{0,20} must be greater than[^\n]{0,20}budget_tokens/i,
    what: 'the thinking of this model needs more tokens than the request allows in all',
    cure: (refused) => describeTraits(refused, { thinking: 'none' }),
  },
  {
    pattern:
      /max_(?:output_|completion_)?tokens: \d+ > (\d+)|maximum (?:allowed )?(?:number of )?output tokens[^\n]{0,40}?(\d{3,})/i,
    what: 'the limit of output tokens is higher than this model can write',
    cure: (refused, [, anthropic, other]) =>
      describeTraits(refused, { maxOutputTokens: Number(anthropic ?? other) }),
  },
  {
    pattern: /max_tokens: (?:Field required|field required)|'?max_tokens'? is (?:required|a required)/i,
    what: "Claude's Messages API wants a limit of output tokens (max_tokens), and none was sent",
    cure: () => ['use the base URL that ends in /cursor/v1: it puts one in'],
  },
  // The key check and other short requests: the model spends all on thinking.
  {
    pattern:
      /max_tokens or model output limit was reached|max_output_tokens[^\n]{0,60}(?:minimum|at least|below)/i,
    what: "the model cannot answer within the ten tokens of Cursor's test",
    cure: () => ['cursor.answerKeyCheck lets the relay answer this test at /cursor/v1'],
  },
  // DeepSeek, Kimi.
  {
    pattern: /reasoning_content[^\n]{0,80}(?:missing|must|required)|missing[^\n]{0,20}reasoning_content/i,
    what: 'the model wants its earlier thinking back beside its tool calls',
    cure: (refused) => describeTraits(refused, { chatThinking: 'reasoning_content' }),
  },
  {
    pattern: /thought_signature/i,
    what: 'Gemini wants the signatures of its thoughts back beside its tool calls',
    cure: (refused) => describeTraits(refused, { chatThinking: 'thought_signature' }),
  },
  {
    pattern:
      /Expected [`'"]?thinking[`'"]? or|must start with a thinking block|Invalid [`'"]?signature[`'"]? in/i,
    what: 'Claude wants its earlier thinking back beside its tool calls',
    cure: (refused) => describeTraits(refused, { thinking: 'none' }),
  },
  // Mistral.
  {
    pattern: /Tool call id[^\n]{0,60}(?:must be|has to be)[^\n]{0,40}9|length of 9/i,
    what: 'the model takes call ids of nine letters and digits alone',
    cure: (refused) => describeTraits(refused, { callIds: 'nine' }),
  },
  {
    pattern: /context (?:length|window|size)|prompt is too long|maximum context|input is too long/i,
    what: 'the prompt does not fit into the context of this model',
    cure: () => [
      'give the server a larger context (Ollama: OLLAMA_CONTEXT_LENGTH=32768), or take another model',
    ],
  },
  {
    pattern: /Missing required parameter: '?messages|messages: Field required/i,
    what: 'the body was forwarded as it is, and the upstream has another API',
    cure: () => ['this base URL forwards such a body unchanged; a URL that ends in /cursor/v1 translates it'],
  },
  {
    status: [401, 403],
    pattern: /^/,
    what: 'the upstream refuses the key of the relay',
    cure: ({ place }) => [
      place === null
        ? 'check apiKey of the upstream in the config, and the environment variable that it names'
        : `check upstreams.${place.upstream}.apiKey, and the environment variable that it names`,
    ],
  },
]

/** Errors of the relay itself, by their code. Others are reported by their own message. */
const RELAY_CURES: Readonly<Record<string, (refused: RefusedRequest) => string>> = {
  no_route: ({ model }) => `add it to the config: models: {"${model}": {"upstream": "...", "model": "..."}}`,
  unsupported_field: ({ model }) => `take another upstream for ${model}: thinwire models explain ${model}`,
}

/** Tells in plain words why a correct request was refused, and what to change. */
export function explainRefusal(response: HttpResponse, refused: RefusedRequest): Seen {
  const text = quoteBody(response, refused.key)
  if (detectBodyKind(response) === 'page') return fail(text, 'this is a page of a proxy: see its log')
  const code = findHeader(response, 'x-thinwire-error')
  const cure = code === undefined ? undefined : RELAY_CURES[code]
  if (cure !== undefined) return fail(text, cure(refused))
  if (code === undefined) {
    const found = findCause(response, text, refused)
    if (found !== null) return found
  }
  return refused.thinwire
    ? fail(text, 'for more, run on the machine of the relay: thinwire usage tail --errors')
    : fail(text)
}

function findCause(response: HttpResponse, text: string, refused: RefusedRequest): Seen | null {
  const { status } = response
  const error = readField(parseBody(response), 'error')
  const code = readField(error, 'code')
  const words = `${text}${typeof code === 'string' ? ` (${code})` : ''}`
  const correction = findCorrection(response, refused)
  const told =
    correction === null
      ? null
      : fail(`${text}: ${NAMES[correction.kind]}`, ...describeCorrection(refused, correction))
  // These name what they mean. Words of other causes may be in them, too.
  if (correction?.kind === 'customTools' || (correction?.kind === 'api' && status === 400)) return told
  for (const { status: statuses, pattern, what, cure } of CAUSES) {
    if (statuses !== undefined && !statuses.includes(status)) continue
    const match = pattern.exec(words)
    if (match !== null) return fail(`${text}: ${what}`, ...cure(refused, match))
  }
  return told
}

/** What each correction means for the request. */
const NAMES: Readonly<Record<Correction['kind'], string>> = {
  drop: 'the model does not take a field that Cursor sends',
  together: 'the model does not take two fields together that Cursor sends',
  limitField: 'the model has another name for the limit of output tokens',
  api: 'the model has to be asked by another API',
  customTools: "the upstream takes no custom tools, such as Cursor's ApplyPatch",
  chatThinking: 'the upstream takes no earlier thinking',
  thinking: 'this Claude model thinks in another way',
}

/** Fields that the relay may have sent in place of the client's, or beside them. */
const FIELDS = [
  ...['temperature', 'top_p', 'presence_penalty', 'frequency_penalty', 'stop', 'logprobs', 'top_logprobs'],
  ...['max_tokens', 'max_completion_tokens', 'reasoning', 'reasoning_effort', 'verbosity', 'text', 'include'],
  ...['parallel_tool_calls', 'stream_options', 'store', 'metadata', 'user', 'service_tier', 'tools'],
  ...[
    'prompt_cache_key',
    'prompt_cache_retention',
    'truncation',
    'thinking',
    'output_config',
    'top_k',
    'seed',
  ],
  ...['reasoning.effort', 'reasoning.summary', 'text.verbosity', 'stream_options.include_usage'],
  ...['thinking.budget_tokens', 'thinking.display', 'output_config.effort'],
  ...['thinkingConfig', 'presencePenalty', 'frequencyPenalty', 'topP', 'topK', 'stopSequences'],
]

function findCorrection(response: HttpResponse, { body, place }: RefusedRequest): Correction | null {
  const own = place?.traits.api ?? null
  const apis = [...(own === null ? [] : [own]), ...(['chat', 'responses', 'messages'] as const)]
  const fields = [...new Set([...readNames(body), ...FIELDS])]
  const error = Buffer.from(decodeBody(response))
  for (const api of apis) {
    const found = readCorrection(response.status, error, { api, fields })
    if (found !== null) return found
  }
  return null
}

function readNames(body: string): string[] {
  try {
    return Object.keys(JSON.parse(body) as object)
  } catch {
    return []
  }
}

function describeCorrection(refused: RefusedRequest, correction: Correction): string[] {
  const { model, place } = refused
  if (place !== null)
    return describeLine(refused, formatConfigLine(place.upstream, place.model, place.traits, [correction]))
  const { traits } = findTraits({ model, upstream: null, preset: null, rules: [] })
  return describeTraits(refused, correctTraits(traits, correction))
}

function describeTraits(refused: RefusedRequest, traits: Partial<ModelTraits>): string[] {
  const { model, place } = refused
  const match = place === null ? { match: model } : { match: place.model, upstream: place.upstream }
  return describeLine(refused, JSON.stringify({ ...match, ...traits }))
}

function describeLine({ model, place, cursor }: RefusedRequest, line: string): string[] {
  if (!cursor) return ['use a base URL that ends in /cursor/v1: there the relay changes what a model refuses']
  return [
    describeEntry(line, place),
    ...(place === null
      ? [`"match" is the name that the upstream gets for ${model} (models.${model}.model)`]
      : []),
  ]
}

/** The advice to add an entry to `modelTraits`, of which the first that matches counts. @param entry as JSON */
export function describeEntry(entry: string, place: ModelPlace | null): string {
  // With a space behind each comma between members, where a report can begin a new line.
  const spaced = entry.replaceAll(/(["\]}\d]|true|false|null),"/g, '$1, "')
  return place?.hasEntry === true
    ? `put before the others in modelTraits: ${spaced}`
    : `add to modelTraits: ${spaced}`
}
