import type { BodyApi } from '../../src/api/apis.js'
import { LINE } from '../prompt.js'

/** One step of an agent: some words, calls of tools, and their results. */
interface Step {
  readonly say: string
  readonly calls: readonly Call[]
}

interface Call {
  readonly id: string
  readonly name: string
  readonly input: object
  readonly result: string
}

const SYSTEM = LINE.repeat(80)

const SCHEMA = {
  type: 'object',
  properties: {
    path: { type: 'string', description: 'The file, from the root of the workspace.' },
    old_text: { type: 'string', description: LINE },
    new_text: { type: 'string', description: LINE },
    line: { type: 'integer', minimum: 1 },
  },
  required: ['path'],
}

const TOOLS = Array.from({ length: 16 }, (_, n) => ({
  name: `tool_${n}`,
  description: LINE.repeat(5),
  schema: SCHEMA,
}))

/** Every third step has two calls. Of a step's bytes a quarter is arguments, nearly all the rest results. */
function stepsOf(turns: number, bytes: number): Step[] {
  const length = Math.max(0, Math.floor((bytes - 12_000) / turns - 700))
  return Array.from({ length: turns }, (_, n) => {
    const calls = n % 3 === 2 ? 2 : 1
    const share = Math.floor(length / calls)
    return {
      say: `Step ${n}: I look at what the tests of this file say, and change it.`,
      calls: Array.from({ length: calls }, (_, k) => ({
        id: `call_${String(n * 2 + k).padStart(24, '0')}`,
        name: `tool_${(n + k) % TOOLS.length}`,
        input: {
          path: `src/module${n}/file.ts`,
          old_text: textOf(share / 8),
          new_text: textOf(share / 8),
          line: n,
        },
        result: textOf((share * 3) / 4),
      })),
    }
  })
}

function textOf(bytes: number): string {
  return LINE.repeat(Math.ceil(bytes / 74)).slice(0, Math.ceil((bytes * 70) / 74))
}

/**
 * A coding agent's request of about `bytes`, with the calls and results of its earlier turns.
 * @param first the members at its beginning
 */
export function agentChat(
  api: BodyApi,
  bytes: number,
  turns = 400,
  first: { readonly model: string; readonly user?: string } = { model: 'gpt-x-test' },
): Buffer {
  const steps = stepsOf(turns, bytes)
  const asked = { ...first, stream: true, temperature: 0, ...BODIES[api](steps) }
  return Buffer.from(JSON.stringify(asked))
}

const BODIES: Readonly<Record<BodyApi, (steps: readonly Step[]) => object>> = {
  chat: (steps) => ({
    messages: [
      { role: 'system', content: SYSTEM },
      { role: 'user', content: LINE },
      ...steps.flatMap(({ say, calls }) => [
        {
          role: 'assistant',
          content: say,
          tool_calls: calls.map(({ id, name, input }) => ({
            id,
            type: 'function',
            function: { name, arguments: JSON.stringify(input) },
          })),
        },
        ...calls.map(({ id, result }) => ({ role: 'tool', tool_call_id: id, content: result })),
      ]),
    ],
    tools: TOOLS.map(({ schema, ...tool }) => ({
      type: 'function',
      function: { ...tool, parameters: schema },
    })),
    tool_choice: 'auto',
  }),
  responses: (steps) => ({
    instructions: SYSTEM,
    input: [
      { role: 'user', content: [{ type: 'input_text', text: LINE }] },
      ...steps.flatMap(({ say, calls }) => [
        { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: say }] },
        ...calls.map(({ id, name, input }) => ({
          type: 'function_call',
          call_id: id,
          name,
          arguments: JSON.stringify(input),
        })),
        ...calls.map(({ id, result }) => ({ type: 'function_call_output', call_id: id, output: result })),
      ]),
    ],
    tools: TOOLS.map(({ schema, ...tool }) => ({ type: 'function', ...tool, parameters: schema })),
    tool_choice: 'auto',
  }),
  messages: (steps) => ({
    max_tokens: 8_192,
    system: [{ type: 'text', text: SYSTEM }],
    messages: [
      { role: 'user', content: LINE },
      ...steps.flatMap(({ say, calls }) => [
        {
          role: 'assistant',
          content: [
            { type: 'text', text: say },
            ...calls.map(({ id, name, input }) => ({ type: 'tool_use', id, name, input })),
          ],
        },
        {
          role: 'user',
          content: calls.map(({ id, result }) => ({ type: 'tool_result', tool_use_id: id, content: result })),
        },
      ]),
    ],
    tools: TOOLS.map(({ schema, ...tool }) => ({ ...tool, input_schema: schema })),
    tool_choice: { type: 'auto' },
  }),
}
