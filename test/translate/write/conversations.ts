import { USUAL_TRAITS } from '../../../src/api/model-table.js'
import type { ModelTraits } from '../../../src/api/model-traits.js'
import type { Conversation, Item, Part, ResultItem, Tool } from '../../../src/translate/conversation.js'
import type { TranslationTarget } from '../../../src/translate/conversation-request.js'
import type { Thought, ThoughtMemory } from '../../../src/translate/thinking/thought-memory.js'
import { writeChat } from '../../../src/translate/write/chat.js'
import { writeGemini } from '../../../src/translate/write/gemini.js'
import { writeMessages } from '../../../src/translate/write/messages.js'
import type { WriteContext, WrittenRequest } from '../../../src/translate/write/request-fields.js'
import { writeResponses } from '../../../src/translate/write/responses.js'
import { fc } from '../../support/property.js'

export const WRITERS = {
  chat: writeChat,
  responses: writeResponses,
  messages: writeMessages,
  gemini: writeGemini,
} as const

export type Api = keyof typeof WRITERS
export const APIS = Object.keys(WRITERS) as Api[]

const NOTHING: Conversation = {
  model: '"m"',
  stream: false,
  includeUsage: false,
  items: [],
  tools: [],
  toolChoice: null,
  parallelCalls: null,
  maxTokens: null,
  temperature: null,
  topP: null,
  topK: null,
  seed: null,
  frequencyPenalty: null,
  presencePenalty: null,
  stop: null,
  format: null,
  effort: null,
  thinkingBudget: null,
  verbosity: null,
  user: null,
  metadata: null,
  serviceTier: null,
  promptCacheKey: null,
  n: null,
  logprobs: null,
  topLogprobs: null,
  logitBias: null,
  others: new Map(),
}

/** A conversation of these items, with whatever else is given. */
export function conversationOf(items: readonly Item[], more: Partial<Conversation> = {}): Conversation {
  return { ...NOTHING, items, ...more }
}

const PLAIN_TRAITS: ModelTraits = {
  ...USUAL_TRAITS,
  limitField: 'max_completion_tokens',
  reasoningObject: false,
  thinking: 'none',
}

export function targetOf(
  api: Api,
  traits: Partial<ModelTraits> = {},
  model: string | null = null,
): TranslationTarget {
  return { api, traits: { ...PLAIN_TRAITS, ...traits }, model, upstream: 'up' }
}

/** Writes for a target. The body is parsed, which is right for all but the digits of numbers. */
export function write(
  conversation: Conversation,
  target: TranslationTarget,
  context: Partial<WriteContext> = {},
): WrittenRequest & { readonly text: string; readonly json: Record<string, unknown> } {
  const written = WRITERS[target.api](conversation, target, { thoughts: null, effort: null, ...context })
  const text = written.body.toString()
  return { ...written, text, json: JSON.parse(text) }
}

export function memoryOf(thoughts: Readonly<Record<string, Thought>>): ThoughtMemory {
  return {
    whenReady: () => null,
    find: ({ id }) => thoughts[id] ?? null,
    openRecorder: () => ({ remember: () => {} }),
  }
}

/** The thinking of a call as the API has it. */
export function thoughtOf(
  api: Api,
  id: string,
  form: ModelTraits['chatThinking'] = 'reasoning_content',
): Thought {
  const chat = form === 'thought_signature' ? { google: { thought_signature: `s${id}` } } : `thought ${id}`
  const values = {
    chat,
    responses: { id: `rs_${id}`, type: 'reasoning', summary: [], encrypted_content: `e${id}` },
    messages: { type: 'thinking', thinking: `thought ${id}`, signature: `s${id}` },
    gemini: `s${id}`,
  }
  return { upstream: 'up', model: null, api, json: JSON.stringify(values[api]) }
}

export const text = (content: string, cache: string | null = null): Part => ({
  type: 'text',
  text: JSON.stringify(content),
  isRefusal: false,
  cache,
})
export const say = (role: 'system' | 'user' | 'assistant', ...parts: (string | Part)[]): Item => ({
  kind: 'message',
  role,
  parts: parts.map((part) => (typeof part === 'string' ? text(part) : part)),
})
/** @param args an object as JSON text, or in brackets the text of arguments */
export const call = (id: string, name: string, args: string | [string], isCustom = false): Item => ({
  kind: 'call',
  id,
  name,
  isCustom,
  input:
    typeof args === 'string'
      ? { form: 'object', object: args }
      : { form: 'text', text: JSON.stringify(args[0]) },
})
export const result = (id: string, ...parts: (string | Part)[]): ResultItem => ({
  kind: 'result',
  id,
  isError: false,
  cache: null,
  parts: parts.map((part) => (typeof part === 'string' ? text(part) : part)),
})
export const tool = (name: string, schema: string | null = '{"type":"object","properties":{}}'): Tool => ({
  kind: 'function',
  name,
  description: '"does it"',
  schema,
  strict: null,
  grammar: null,
  cache: null,
})
export const custom = (name: string): Tool => ({
  kind: 'custom',
  name,
  description: '"does it"',
  schema: null,
  strict: null,
  cache: null,
  grammar: { syntax: '"lark"', definition: '"start: \\"x\\""' },
})
export const image = (source: 'base64' | 'url' = 'base64'): Part => ({
  type: 'image',
  detail: null,
  cache: null,
  source:
    source === 'url'
      ? { kind: 'url', url: '"https://example.com/a.png"' }
      : { kind: 'base64', mediaType: 'image/png', data: '"iVBORw0KGgo="' },
})

const part = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.oneof(fc.string({ minLength: 1, unit: 'binary' }), fc.constantFrom(' ', '\n\t', 'a  ')),
  },
  fc.constantFrom<Part>(
    image(),
    image('url'),
    {
      type: 'image',
      detail: 'low',
      cache: null,
      source: { kind: 'url', url: '"data:image/png;base64,iVBORw0KGgo="' },
    },
    {
      type: 'image',
      detail: null,
      cache: null,
      source: { kind: 'base64', mediaType: 'image/bmp', data: '"Qk0="' },
    },
    {
      type: 'file',
      name: null,
      cache: null,
      source: { kind: 'base64', mediaType: 'application/pdf', data: '"JVBERg=="' },
    },
    {
      type: 'file',
      name: '"a.txt"',
      cache: null,
      source: { kind: 'base64', mediaType: 'text/plain', data: '"aGk="' },
    },
    { type: 'file', name: null, cache: null, source: { kind: 'text', text: '"plain"' } },
    { type: 'file', name: null, cache: null, source: { kind: 'url', url: '"https://example.com/a.pdf"' } },
    { type: 'audio', cache: null, data: '"UklGRg=="', format: 'wav' },
  ),
)
const mark = fc.constantFrom<string | null>(null, null, null, '{"type":"ephemeral"}')
const parts = (least: number): fc.Arbitrary<Part[]> =>
  fc.array(
    fc
      .tuple(part, mark)
      .map(([each, cache]) => (typeof each === 'string' ? text(each, cache) : { ...each, cache })),
    { minLength: least, maxLength: 3 },
  )
const words = fc.array(fc.oneof(fc.string({ minLength: 1 }), fc.constant(' ')), {
  minLength: 1,
  maxLength: 2,
})

const NAMES = ['read', 'write_file', 'apply-patch', 'Shell']
const args = fc.oneof(
  fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 3 }).map((value) => JSON.stringify(value)),
  fc.constantFrom('{"id":2512292042121000001,"y":1e400,"x":1.0,"z":-0}', '{"input":"x\\ny"}', '{}'),
)
const argsText = fc.oneof(
  args,
  fc.constantFrom('', '{"cut":"of', '[1]', 'null', '*** Begin Patch\n', '{"a":"\ud83d"}'),
)
const input = fc.oneof(
  args,
  argsText.map((each): [string] => [each]),
)

interface Step {
  /** Thinking that the client sends back itself, in the form of some API. */
  readonly thinking: Api | null
  readonly texts: readonly string[]
  readonly calls: readonly {
    readonly name: string
    readonly input: string | [string]
    readonly isCustom: boolean
  }[]
  readonly results: readonly {
    readonly parts: Part[]
    readonly isError: boolean
    readonly cache: string | null
  }[]
  readonly reversed: boolean
  readonly follows: readonly Item[]
}

const step: fc.Arbitrary<Step> = fc.record({
  thinking: fc.constantFrom<Step['thinking']>(null, null, 'chat', 'responses', 'messages'),
  texts: fc.oneof(fc.constant([]), words),
  calls: fc.array(fc.record({ name: fc.constantFrom(...NAMES), input, isCustom: fc.boolean() }), {
    maxLength: 3,
  }),
  results: fc.array(fc.record({ parts: parts(0), isError: fc.boolean(), cache: mark }), {
    minLength: 3,
    maxLength: 3,
  }),
  reversed: fc.boolean(),
  follows: fc.oneof(
    fc.constant([]),
    parts(1).map((each): Item[] => [{ kind: 'message', role: 'user', parts: each }]),
    words.map((each) => [say('system', ...each)]),
  ),
})

/** What one request adds: words and calls of the assistant's, their results, and perhaps another message. */
function itemsOf({ thinking, texts, calls, results, reversed, follows }: Step, n: number): Item[] {
  const ids = calls.map((_, index) => `call_${n}_${index}`)
  const made = calls.map(({ name, input: given, isCustom }, index) =>
    call(ids[index] as string, name, given, isCustom && typeof given !== 'string'),
  )
  const given = ids.map(
    (id, index): Item => ({ ...result(id), ...(results[index] as Step['results'][number]) }),
  )
  const said = texts.length === 0 && made.length === 0 ? ['done'] : texts
  const next = made.length === 0 && follows.length === 0 ? [say('user', 'go on')] : follows
  const words = said.length === 0 ? [] : [say('assistant', ...said)]
  const thought: Item[] =
    thinking === null || thinking === 'gemini'
      ? []
      : [{ kind: 'thinking', api: thinking, json: thoughtOf(thinking, `given_${n}`).json }]
  return [...thought, ...words, ...made, ...(reversed ? given.reverse() : given), ...next]
}

const systems = fc.array(
  parts(1).map((each): Item => ({ kind: 'message', role: 'system', parts: each })),
  { maxLength: 2 },
)

/** The items of a conversation that grows: each element is what one more request adds. */
export const growth: fc.Arbitrary<Item[][]> = fc
  .tuple(systems, parts(1), fc.array(step, { maxLength: 5 }))
  .map(([system, first, steps]) => [
    [...system, { kind: 'message', role: 'user', parts: [text('begin'), ...first] }],
    ...steps.map(itemsOf),
  ])

const schema = fc.constantFrom<string | null>(
  '{"type":"object","properties":{"a":{"type":"integer","maximum":9223372036854775807}}}',
  '{"properties":{"a":{"type":"string"}}}',
  '{"type":["object","null"],"anyOf":[{}]}',
  '{}',
  null,
)
const anyTool = (name: string): fc.Arbitrary<Tool> =>
  fc.oneof(
    fc.tuple(schema, fc.constantFrom(null, 'true', 'false'), mark).map(([given, strict, cache]) => ({
      ...tool(name, given),
      strict,
      cache,
    })),
    fc.boolean().map((free): Tool => (free ? { ...custom(name), grammar: null } : custom(name))),
  )
const tools = fc.subarray(NAMES).chain((names) => fc.tuple(...names.map(anyTool)))
const orNull = <T>(...values: T[]): fc.Arbitrary<T | null> => fc.constantFrom(null, ...values)

/** All fields but the items, as a vendor would take them one by one. */
export const settings: fc.Arbitrary<Partial<Conversation>> = fc
  .record({
    stream: fc.boolean(),
    includeUsage: fc.boolean(),
    tools,
    parallelCalls: orNull(true, false),
    toolChoice: orNull<NonNullable<Conversation['toolChoice']>>(
      ...(['auto', 'none', 'any'] as const).map((kind) => ({ kind })),
      ...NAMES.map((name) => ({ kind: 'one', name }) as const),
      { kind: 'allowed', mode: 'any', names: NAMES.slice(0, 2) },
      { kind: 'allowed', mode: 'auto', names: NAMES.slice(2) },
    ),
    maxTokens: orNull('1', '900', '5000', '200000'),
    temperature: orNull('0', '0.70', '1.5', '2'),
    topP: orNull('0.9', '1'),
    topK: orNull('40'),
    seed: orNull('42'),
    frequencyPenalty: orNull('0.5'),
    presencePenalty: orNull('-1'),
    stop: orNull('["a"]', '[" ","\\n"]', '["1","2","3","4","5","6"]', '[]'),
    format: orNull<NonNullable<Conversation['format']>>(
      { kind: 'json' },
      { kind: 'schema', name: null, description: null, schema: '{"type":"object"}', strict: 'true' },
    ),
    effort: orNull('none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'),
    thinkingBudget: orNull('1024', '10000'),
    verbosity: orNull('"low"'),
    user: orNull('"u"', `"${'u'.repeat(300)}"`),
    metadata: orNull('{"a":"b"}'),
    serviceTier: orNull('"auto"', '"default"', '"standard_only"'),
    promptCacheKey: orNull('"k"'),
    n: orNull('1'),
    logprobs: orNull('true'),
    others: fc.constantFrom(new Map(), new Map([['store', 'true']]), new Map([['container', '"c"']])),
  })
  .map((each) => ({ ...each, topLogprobs: each.logprobs === null ? null : '3' }))

/** A member of the body without the marks of the prompt cache, up to its last element. */
export function readPrefix(body: string, key: 'messages' | 'input' | 'contents'): string {
  const plain = body.replaceAll(',"cache_control":{"type":"ephemeral"}', '')
  const { [key]: list } = JSON.parse(plain) as Record<string, unknown[]>
  // The text of the member is found by what stands behind it, if anything does.
  const start = plain.indexOf(`"${key}":[`)
  let depth = 0
  let quoted = false
  for (let at = start + key.length + 3; at < plain.length; at++) {
    const character = plain[at]
    if (quoted && character === '\\') at++
    else if (character === '"') quoted = !quoted
    else if (!quoted && (character === '[' || character === '{')) depth++
    else if (!quoted && (character === ']' || character === '}') && --depth === 0) return plain.slice(0, at)
  }
  throw new Error(`no end of ${list?.length} elements`)
}
