import type { BodyApi } from '../../../src/api/apis.js'
import { FUNCTIONS, PATCH_TOOL, pick, type Random } from './answers.js'
import type { AgentAnswer } from './read-answer.js'

const quote = JSON.stringify

/** One step of the history that Cursor keeps. */
export type Entry =
  | { readonly kind: 'user'; readonly text: string; readonly image: string | null }
  | { readonly kind: 'system'; readonly text: string }
  | { readonly kind: 'assistant'; readonly text: string; readonly calls: readonly HistoryCall[] }
  | {
      readonly kind: 'result'
      readonly id: string
      readonly text: string
      readonly isError: boolean
      /** A picture that the tool has made: chat completions cannot carry one. */
      readonly image: string | null
      readonly name: string
    }

/** A call as Cursor has read it. */
export interface HistoryCall {
  readonly id: string
  readonly name: string
  readonly arguments: string
}

export const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

/** Draws what the user says. */
export function drawUser(random: Random, n: number): Entry {
  const text = pick(random, ['go on', 'Bitte löschen 🦊', 'and now?\n\nPlease.', '{"not":"json"'])
  return { kind: 'user', text: `${text} ${n}`, image: random() < 0.15 ? PIXEL : null }
}

/**
 * Prints a request as Cursor sends it. The same history gives the same bytes.
 * @param purpose of the tools, in their descriptions
 */
export function printRequest(
  shape: BodyApi,
  model: string,
  history: readonly Entry[],
  streamed: boolean,
  purpose = 'run',
): string {
  const stream = streamed ? ',"stream":true,"stream_options":{"include_usage":true}' : ''
  const tools = `"tools":${printTools(shape, purpose)}`
  switch (shape) {
    case 'chat': {
      const messages = ['{"role":"system","content":"You edit code."}', ...history.flatMap(printChat)]
      return `{"model":"${model}","temperature":0,"messages":[${messages.join(',')}],${tools},"tool_choice":{"type":"auto"},"reasoning_effort":"medium","user":"u_hash"${stream}}`
    }
    case 'responses': {
      const input = ['{"role":"system","content":"You edit code."}', ...history.flatMap(printItems)]
      return `{"model":"${model}","input":[${input.join(',')}],${tools},"tool_choice":"auto","include":["reasoning.encrypted_content"],"reasoning":{"effort":"medium","summary":"auto"},"store":false,"metadata":{"cursorConversationId":${quote(purpose)}},"user":"u_hash"${stream}}`
    }
    case 'messages': {
      const system = '[{"type":"text","text":"You edit code.","cache_control":{"type":"ephemeral"}}]'
      const thinking = '"thinking":{"type":"enabled","budget_tokens":4096}'
      return `{"model":"${model}","max_tokens":16000,"system":${system},"messages":[${printMessages(history).join(',')}],${tools},"tool_choice":{"type":"auto"},${thinking},"metadata":{"user_id":"u_hash"}${stream}}`
    }
  }
}

const SCHEMA =
  '{"type":"object","properties":{"nonce":{"type":"string"},"k0":{"type":"integer","maximum":9223372036854775807}}}'

/** Tools in the forms that Cursor mixes. */
function printTools(shape: BodyApi, purpose: string): string {
  const nested = (name: string): string =>
    `{"type":"function","function":{"name":"${name}","description":"${purpose}","parameters":${SCHEMA}}}`
  const flat = (name: string): string =>
    `{"type":"function","name":"${name}","description":"${purpose}","parameters":${SCHEMA},"strict":false}`
  const blocks = (name: string): string =>
    `{"name":"${name}","description":"${purpose}","input_schema":${SCHEMA}}`
  const forms = {
    chat: [nested, flat, nested],
    responses: [flat, nested, flat],
    messages: [blocks, nested, blocks],
  }[shape]
  const functions = FUNCTIONS.map((name, n) => (forms[n] ?? nested)(name))
  const custom = `{"type":"custom","name":"${PATCH_TOOL}","description":"patch","format":{"type":"grammar","syntax":"lark","definition":"start: /.+/"}}`
  return `[${[...functions, custom].join(',')}]`
}

const imageUrl = (data: string): string =>
  `{"type":"image_url","image_url":{"url":"data:image/png;base64,${data}"}}`

function printChat(entry: Entry): string[] {
  switch (entry.kind) {
    case 'system':
      return [`{"role":"system","content":${quote(entry.text)}}`]
    case 'user': {
      if (entry.image === null) return [`{"role":"user","content":${quote(entry.text)}}`]
      return [
        `{"role":"user","content":[{"type":"text","text":${quote(entry.text)}},${imageUrl(entry.image)}]}`,
      ]
    }
    case 'assistant': {
      const calls = entry.calls.map(
        ({ id, name, arguments: args }) =>
          `{"id":${quote(id)},"type":"function","function":{"name":"${name}","arguments":${quote(args)}}}`,
      )
      const content = entry.text === '' ? 'null' : quote(entry.text)
      return [`{"role":"assistant","content":${content},"tool_calls":[${calls.join(',')}]}`]
    }
    case 'result':
      return [`{"role":"tool","tool_call_id":${quote(entry.id)},"content":${quote(entry.text)}}`]
  }
}

function printItems(entry: Entry): string[] {
  switch (entry.kind) {
    case 'system':
      return [`{"role":"developer","content":${quote(entry.text)}}`]
    case 'user': {
      const image =
        entry.image === null
          ? ''
          : `,{"type":"input_image","image_url":"data:image/png;base64,${entry.image}"}`
      return [`{"role":"user","content":[{"type":"input_text","text":${quote(entry.text)}}${image}]}`]
    }
    case 'assistant': {
      const text =
        entry.text === ''
          ? []
          : [`{"role":"assistant","content":[{"type":"output_text","text":${quote(entry.text)}}]}`]
      const calls = entry.calls.map(
        ({ id, name, arguments: args }) =>
          `{"type":"function_call","call_id":${quote(id)},"name":"${name}","arguments":${quote(args)}}`,
      )
      return [...text, ...calls]
    }
    case 'result': {
      const output =
        entry.image === null
          ? quote(entry.text)
          : `[{"type":"input_text","text":${quote(entry.text || 'seen')}},{"type":"input_image","image_url":"data:image/png;base64,${entry.image}"}]`
      return [`{"type":"function_call_output","call_id":${quote(entry.id)},"output":${output}}`]
    }
  }
}

/** Cursor puts neighbours of one role into one message. */
function printMessages(history: readonly Entry[]): string[] {
  const messages: { role: string; blocks: string[] }[] = []
  for (const entry of history) {
    const role = entry.kind === 'assistant' ? 'assistant' : entry.kind === 'system' ? 'system' : 'user'
    const last = messages.at(-1)
    if (last?.role === role && role !== 'system') last.blocks.push(...printBlocks(entry))
    else messages.push({ role, blocks: printBlocks(entry) })
  }
  return messages.map(({ role, blocks }) => `{"role":"${role}","content":[${blocks.join(',')}]}`)
}

function printBlocks(entry: Entry): string[] {
  const text =
    entry.kind === 'result' || entry.text === '' ? [] : [`{"type":"text","text":${quote(entry.text)}}`]
  switch (entry.kind) {
    case 'system':
      return text
    case 'user':
      return entry.image === null ? text : [...text, imageUrl(entry.image)]
    case 'assistant':
      return [
        ...text,
        ...entry.calls.map(
          ({ id, name, arguments: args }) =>
            `{"type":"tool_use","id":${quote(id)},"name":"${name}","input":${name === PATCH_TOOL ? quote(args) : args}}`,
        ),
      ]
    case 'result': {
      const error = entry.isError ? ',"is_error":true' : ''
      const image =
        entry.image === null
          ? ''
          : `,{"type":"image","source":{"type":"base64","media_type":"image/png","data":"${entry.image}"}}`
      return [
        `{"type":"tool_result","tool_use_id":${quote(entry.id)},"content":[{"type":"text","text":${quote(entry.text)}}${image}]${error}}`,
      ]
    }
  }
}

/** What Cursor keeps of an answer: its thinking is dropped. */
export function keepAnswer({ text, calls }: AgentAnswer): Entry {
  return { kind: 'assistant', text, calls }
}
