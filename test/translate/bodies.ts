import { applyEdits, type Edit } from '../../src/json/edits.js'
import { fc } from '../support/property.js'

/** Cursor's agent mode with a GPT name: Responses on `/chat/completions`. */
export const RESPONSES_BODY =
  '{"model":"gpt-x-test","input":[{"role":"system","content":"You edit code."},{"role":"user","content":[{"type":"input_text","text":"rename foo"}]},\n {"type":"function_call","call_id":"call_A1","name":"Read","arguments":"{\\"path\\":\\"a.ts\\"}"},{"type":"function_call_output","call_id":"call_A1","output":"1|foo"}],\n "tools":[{"type":"function","name":"Shell","description":"run","parameters":{"type":"object","properties":{"command":{"type":"string"}},"required":["command"]}},\n  {"type":"custom","name":"ApplyPatch","description":"patch","format":{"type":"grammar","syntax":"lark","definition":"start: /.+/"}}],\n "tool_choice":"auto","stream":true,"stream_options":{"include_usage":true},"include":["reasoning.encrypted_content"],\n "reasoning":{"effort":"medium","summary":"auto"},"text":{"verbosity":"low"},"store":false,"truncation":"disabled","prompt_cache_retention":"24h",\n "metadata":{"cursorConversationId":"00000000-aaaa-bbbb-cccc-000000000001"},"user":"u_hash_01"}'

/** Cursor's agent mode with a Claude name: Messages on `/chat/completions`. */
export const MESSAGES_BODY =
  '{"model":"claude-test-1-thinking","max_tokens":4096,"stream":true,"stream_options":{"include_usage":true},\n "system":[{"type":"text","text":"You edit code.","cache_control":{"type":"ephemeral"}}],\n "messages":[{"role":"user","content":[{"type":"text","text":"list files"}]},{"role":"assistant","content":[{"type":"tool_use","id":"toolu_1","name":"LS","input":{"path":"."}}]},\n  {"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"a.ts"}]}],\n "tools":[{"name":"LS","description":"list","input_schema":{"type":"object","properties":{"path":{"type":"string"}}}}],"tool_choice":{"type":"auto"}}'

/** Cursor's Ask mode: chat completions with a flat custom tool among the nested functions. */
export const CHAT_BODY =
  '{"model":"relay:test","temperature":0,"user":"u_hash_01","messages":[{"role":"system","content":"S"},{"role":"user","content":"ctx"},{"role":"user","content":"do it"},\n {"role":"assistant","content":"","tool_calls":[{"type":"function","id":"call_B1","index":0,"function":{"name":"read_file","arguments":"{\\"target_file\\":\\"a\\"}"}}]},\n {"role":"tool","name":"read_file","tool_call_id":"call_B1","content":"text"}],\n "tools":[{"type":"function","function":{"name":"read_file","parameters":{"type":"object"}}},{"type":"custom","name":"ApplyPatch","format":{"type":"grammar","syntax":"lark","definition":"start: X"}}],\n "tool_choice":{"type":"auto"},"stream":true,"reasoning":{"effort":"low"}}'

export function edited(body: Buffer, edits: readonly Edit[]): string {
  return Buffer.concat(applyEdits([body], edits)).toString()
}

/** The text before and after, for each edit. */
export function changes(body: string, edits: readonly Edit[]): [string, string][] {
  const bytes = Buffer.from(body)
  return edits.map(({ start, end, text }) => [bytes.toString('utf8', start, end), text])
}

/** Throws unless the edits are in order, and every byte outside them stays in its place. */
export function requireUntouchedOutside(body: Buffer, edits: readonly Edit[]): void {
  const result = Buffer.concat(applyEdits([body], edits))
  let from = 0
  let at = 0
  for (const { start, end, text } of [...edits, { start: body.length, end: body.length, text: '' }]) {
    if (start < from || end < start)
      throw new Error(`an edit from ${start} to ${end} follows one that ends at ${from}`)
    const length = start - from
    if (!body.subarray(from, start).equals(result.subarray(at, at + length))) {
      throw new Error(`bytes ahead of ${start} have changed`)
    }
    at += length + Buffer.byteLength(text)
    from = end
  }
  if (at !== result.length) throw new Error('there are more bytes than the edits explain')
}

/** Keys that the outline recognizes only without escapes, as everyone writes them. */
const PLAIN = ['call_id', 'tool_calls', 'source']

/** JSON with random white space, and with some first letters of keys as escape sequences. */
export function loosely(value: unknown, random: () => number): string {
  const space = (): string => ['', '', '', ' ', '\n  ', '\t', '\r\n'][Math.floor(random() * 7)] as string
  const write = (each: unknown): string => {
    if (Array.isArray(each)) return `[${space()}${each.map(write).join(`${space()},${space()}`)}${space()}]`
    if (typeof each !== 'object' || each === null) return JSON.stringify(each)
    const members = Object.entries(each).map(
      ([key, inner]) => `${formatKey(key)}${space()}:${space()}${write(inner)}`,
    )
    return `{${space()}${members.join(`${space()},${space()}`)}${space()}}`
  }
  const formatKey = (key: string): string => {
    if (random() > 0.05 || !/^[a-z]/.test(key) || PLAIN.includes(key)) return JSON.stringify(key)
    return `"\\u00${key.charCodeAt(0).toString(16)}${JSON.stringify(key.slice(1)).slice(1)}`
  }
  return space() + write(JSON.parse(JSON.stringify(value))) + space()
}

const name = fc.constantFrom('Read', 'Shell', 'ApplyPatch', 'naïve "name"')
const schema = fc.constantFrom(
  { type: 'object' },
  { type: 'object', properties: { b: { type: 'string', minLength: 1.5e3 }, 1: { const: '}]' } } },
  null,
)
const grammar = { syntax: 'lark', definition: 'start: /"\\n+/' }
const format = fc.constantFrom(
  { type: 'text' },
  { type: 'grammar', ...grammar },
  { type: 'grammar', grammar },
  null,
)
const maybe = <T>(arb: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arb, { nil: undefined })
const described = { description: maybe(fc.string()), strict: maybe(fc.constantFrom(true, false, null)) }
const cacheControl = maybe(fc.constant({ type: 'ephemeral' }))
const functionParts = fc.record({ name, ...described, parameters: maybe(schema) })
const customParts = fc.record({ name, description: maybe(fc.string()), format: maybe(format) })

/** Tools in each form, built-in tools, and values that are no tool. */
export const tool: fc.Arbitrary<unknown> = fc.oneof(
  fc.record({ type: fc.constant('function'), function: functionParts, cache_control: cacheControl }),
  fc.record({ function: functionParts }),
  functionParts.map((parts) => ({ type: 'function', ...parts })),
  functionParts.map((parts) => ({ ...parts, type: 'function' })),
  customParts.map((parts) => ({ type: 'custom', ...parts })),
  customParts.map((custom) => ({ type: 'custom', custom })),
  fc.record({
    name,
    description: maybe(fc.string()),
    input_schema: schema,
    cache_control: cacheControl,
    type: maybe(fc.constantFrom('custom', null, 'function')),
  }),
  fc.constantFrom<unknown>(
    { type: 'web_search_preview' },
    { type: 'web_search_20250305', name: 'web_search', max_uses: 3 },
    ...[{ type: 'function' }, { type: 'function', function: {} }, { type: 'custom', custom: null }],
    ...[{}, null, 7, 'Read', []],
  ),
)

export const toolChoice: fc.Arbitrary<unknown> = fc.constantFrom<unknown>(
  ...[
    'auto',
    'none',
    'required',
    'any',
    null,
    3,
    [],
    {},
    { type: 'auto' },
    { type: 'any' },
    { type: 'none' },
  ],
  ...[{ type: 'tool', name: 'Read' }, { type: 'tool', name: 'ApplyPatch' }, { type: 'tool' }],
  ...[
    { type: 'function', function: { name: 'Read' } },
    { function: { name: 'Read' }, type: 'function' },
  ],
  ...[
    { type: 'function', name: 'Read' },
    { type: 'custom', custom: { name: 'ApplyPatch' } },
  ],
  ...[{ type: 'custom', name: 'ApplyPatch' }, { type: 'file_search' }],
  { type: 'auto', disable_parallel_tool_use: true },
  { type: 'allowed_tools', mode: 'required', tools: [{ type: 'function', name: 'Read' }] },
  {
    type: 'allowed_tools',
    allowed_tools: { mode: 'auto', tools: [{ type: 'function', function: { name: 'Read' } }] },
  },
)

export const word: fc.Arbitrary<unknown> = fc.constantFrom<unknown>('low', 'x "y" \\ é', '', null, 7)
export const count: fc.Arbitrary<unknown> = fc.constantFrom<unknown>(0, 1, 4096, null, -1, 'many')
