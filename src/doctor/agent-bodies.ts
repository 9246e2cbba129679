import { isObject, parseJson } from '../json/values.js'
import type { AgentAnswer, ToolCall } from './agent-answer.js'

/**
 * The APIs whose bodies Cursor's agent sends, by the name of the model: Responses for names with `gpt`, Messages for
 * names with `claude`, chat completions for others.
 */
export type AgentShape = 'chat' | 'responses' | 'messages'

/** All shapes. */
export const AGENT_SHAPES: readonly AgentShape[] = ['chat', 'responses', 'messages']

/** The shape of the bodies that Cursor's agent sends for a model of this name. */
export function chooseShape(model: string): AgentShape {
  if (/claude/i.test(model)) return 'messages'
  return /gpt/i.test(model) ? 'responses' : 'chat'
}

/** Whether the model may answer without a call. */
export type Urge = 'auto' | 'required'

const SYSTEM = 'You are a coding agent. You work with tools, one at a time.'
const CONTEXT = 'The file a.ts is open.'
const TASK =
  'Call the tool Read now, with the path a.ts. Do not write anything before. When you have its result, tell me in one sentence which number is in the file.'
/** What the tools of the follow-up turn return. */
const RESULT = '1|export const answer = 42'
/** The free-text tool of Cursor's agent. Its argument is a patch, not JSON. */
export const PATCH_TOOL = 'ApplyPatch'
/** Tokens that a turn may take, where the API wants a limit. */
const LIMIT = 4_096

const TEXT = { type: 'string' }
const GRAMMAR = {
  type: 'grammar',
  syntax: 'lark',
  definition:
    'start: begin hunk+ end\nbegin: "*** Begin Patch" LF\nhunk: "*** Update File: " /(.+)/ LF line+\nline: /[ +-].*/ LF\nend: "*** End Patch" LF?\n%import common.LF',
}
const PATCH_TEXT = 'Changes files by a patch.'

interface Tool {
  readonly name: string
  readonly description: string
  readonly parameters: Readonly<Record<string, unknown>>
}

const TOOLS: readonly Tool[] = [
  {
    name: 'Read',
    description: 'Reads a file.',
    parameters: schema({ path: TEXT, offset: { type: 'integer', minimum: 1 } }, 'path'),
  },
  {
    name: 'Shell',
    description: 'Runs a command.',
    parameters: schema({ command: TEXT, timeout: { type: 'number' } }, 'command'),
  },
  {
    name: 'TodoWrite',
    description: 'Keeps a list of what is to be done.',
    parameters: schema(
      {
        todos: {
          type: 'array',
          items: schema({ content: TEXT, status: { type: 'string', enum: ['pending', 'done'] } }, 'content'),
        },
      },
      'todos',
    ),
  },
]

/** Names of all tools that are offered. */
export const TOOL_NAMES: ReadonlySet<string> = new Set([...TOOLS.map(({ name }) => name), PATCH_TOOL])

function schema(properties: Readonly<Record<string, unknown>>, ...required: readonly string[]) {
  return { type: 'object', properties, required, additionalProperties: false }
}

/** Ask mode: a question without tools, as a chat completion. */
export function createAskBody(model: string): string {
  return JSON.stringify({
    model,
    temperature: 0,
    messages: [
      { role: 'system', content: 'You answer questions about code.' },
      { role: 'user', content: CONTEXT },
      { role: 'user', content: 'Answer with one word: is TypeScript a language?' },
    ],
    stream: true,
    stream_options: { include_usage: true },
    user: 'thinwire-doctor',
  })
}

/**
 * The first turn of Cursor's agent: tools of several kinds, and a task that needs one of them.
 * @param urge `required`: the model has to call a tool
 */
export function createAgentBody(shape: AgentShape, model: string, urge: Urge): string {
  return JSON.stringify(BODIES[shape](model, urge, []))
}

/** The next turn: what the model said and called, and what its tools returned. */
export function createFollowUpBody(shape: AgentShape, model: string, answer: AgentAnswer): string {
  return JSON.stringify(BODIES[shape](model, 'auto', HISTORIES[shape](answer)))
}

type Json = Readonly<Record<string, unknown>>

const HISTORIES: Readonly<Record<AgentShape, (answer: AgentAnswer) => readonly Json[]>> = {
  chat: ({ text, calls }) => [
    {
      role: 'assistant',
      content: text,
      tool_calls: calls.map(({ id, name, arguments: written }, index) => ({
        index,
        id,
        type: 'function',
        function: { name, arguments: written },
      })),
    },
    ...calls.map(({ id, name }) => ({ role: 'tool', name, tool_call_id: id, content: RESULT })),
  ],
  responses: ({ text, calls }) => [
    ...(text === '' ? [] : [{ role: 'assistant', content: [{ type: 'output_text', text }] }]),
    ...calls.map(({ id: call_id, name, arguments: written }) =>
      name === PATCH_TOOL
        ? { type: 'custom_tool_call', call_id, name, input: written }
        : { type: 'function_call', call_id, name, arguments: written },
    ),
    ...calls.map(({ id: call_id, name }) => ({
      type: name === PATCH_TOOL ? 'custom_tool_call_output' : 'function_call_output',
      call_id,
      output: RESULT,
    })),
  ],
  messages: ({ text, calls }) => [
    {
      role: 'assistant',
      content: [
        ...(text === '' ? [] : [{ type: 'text', text }]),
        ...calls.map((call) => ({ type: 'tool_use', id: call.id, name: call.name, input: readInput(call) })),
      ],
    },
    {
      role: 'user',
      content: calls.map(({ id }) => ({ type: 'tool_result', tool_use_id: id, content: RESULT })),
    },
  ],
}

/** The patch tool's arguments are free text where the API of the model has such tools. */
function readInput({ arguments: written }: ToolCall): unknown {
  const value = parseJson(written)
  return isObject(value) ? value : { patch: written }
}

const BODIES: Readonly<Record<AgentShape, (model: string, urge: Urge, history: readonly Json[]) => Json>> = {
  // With the tools of two APIs in one list, as Cursor sends them.
  chat: (model, urge, history) => ({
    model,
    temperature: 0,
    user: 'thinwire-doctor',
    messages: [
      { role: 'system', content: SYSTEM },
      { role: 'user', content: CONTEXT },
      { role: 'user', content: TASK },
      ...history,
    ],
    tools: [
      ...TOOLS.map((tool) => ({ type: 'function', function: tool })),
      { type: 'custom', name: PATCH_TOOL, description: PATCH_TEXT, format: GRAMMAR },
    ],
    tool_choice: urge,
    stream: true,
    stream_options: { include_usage: true },
  }),
  // With `stream_options`, which is not one of this API's fields.
  responses: (model, urge, history) => ({
    model,
    temperature: 0,
    input: [
      { role: 'system', content: SYSTEM },
      { role: 'user', content: [{ type: 'input_text', text: CONTEXT }] },
      { role: 'user', content: [{ type: 'input_text', text: TASK }] },
      ...history,
    ],
    tools: [
      ...TOOLS.map((tool) => ({ type: 'function', ...tool })),
      { type: 'custom', name: PATCH_TOOL, description: PATCH_TEXT, format: GRAMMAR },
    ],
    tool_choice: urge,
    stream: true,
    stream_options: { include_usage: true },
    include: ['reasoning.encrypted_content'],
    reasoning: { effort: 'medium', summary: 'auto' },
    text: { verbosity: 'low' },
    store: false,
    truncation: 'disabled',
    prompt_cache_retention: '24h',
    metadata: { cursorConversationId: '00000000-0000-4000-8000-000000000001' },
    user: 'thinwire-doctor',
  }),
  messages: (model, urge, history) => ({
    model,
    temperature: 0,
    max_tokens: LIMIT,
    stream: true,
    stream_options: { include_usage: true },
    system: [{ type: 'text', text: SYSTEM, cache_control: { type: 'ephemeral' } }],
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: CONTEXT },
          { type: 'text', text: TASK, cache_control: { type: 'ephemeral' } },
        ],
      },
      ...history,
    ],
    tools: [
      ...TOOLS.map(({ name, description, parameters }) => ({ name, description, input_schema: parameters })),
      { name: PATCH_TOOL, description: PATCH_TEXT, input_schema: schema({ patch: TEXT }, 'patch') },
    ],
    tool_choice: { type: urge === 'auto' ? 'auto' : 'any' },
  }),
}
