import { filterObjects, isObject, type JsonObject, numberOr, parseJson, stringOr } from '../../json/values.js'
import { unwrapInput } from '../custom-tools/input-decoder.js'
import { createChatError } from './chat-errors.js'
import { type ChatUsage, readMessageUsage, readResponseUsage } from './chat-usage.js'
import { createChatId, epochSeconds, type FinishReason } from './chunk-writer.js'
import { readMessageFinish, readToolInput } from './messages-stream.js'
import { isCall, readArguments, readCallId, readResponseFinish } from './responses-stream.js'

/** What an answer says, gathered from its items or its blocks. */
interface Said {
  readonly texts: string[]
  readonly refusals: string[]
  readonly thoughts: string[]
  readonly calls: JsonObject[]
}

/**
 * A whole response as a chat completion (OpenAI API reference: The response object; The chat completion object).
 * @param model for upstreams that do not tell theirs
 * @returns the same bytes if this is no response
 */
export function translateResponse(body: Buffer, model: string | null = null): Buffer {
  const answer = parseJson(body.toString('utf8'))
  if (!isObject(answer) || !(answer.object === 'response' || Array.isArray(answer.output))) return body
  const status = stringOr(answer.status, 'completed')
  if (isObject(answer.error)) return jsonOf({ error: createChatError(answer.error) })
  if (status === 'failed' || status === 'cancelled') return jsonOf({ error: createChatError(null) })

  const said: Said = { texts: [], refusals: [], thoughts: [], calls: [] }
  for (const item of filterObjects(answer.output)) {
    if (isCall(item)) {
      const id = readCallId(item.call_id, item.id, said.calls.length)
      said.calls.push(callOf(id, stringOr(item.name, ''), readArguments(item)))
      continue
    }
    let text = ''
    for (const { text: thought } of filterObjects(item.summary)) said.thoughts.push(stringOr(thought, ''))
    for (const part of filterObjects(item.content)) {
      if (part.type === 'refusal') said.refusals.push(stringOr(part.refusal, ''))
      else if (part.type === 'reasoning_text') said.thoughts.push(stringOr(part.text, ''))
      else text += stringOr(part.text, '')
    }
    said.texts.push(text)
  }
  const finish = readResponseFinish(answer, status, said.calls.length)
  return completion(
    answer,
    numberOr(answer.created_at, epochSeconds()),
    model,
    said,
    finish,
    readResponseUsage(answer.usage),
  )
}

/**
 * A whole message as a chat completion (Anthropic API reference: Messages).
 * @param model for upstreams that do not tell theirs
 * @param wrapped names of tools that take a text, and were told of as if they took JSON
 * @returns the same bytes if this is no message
 */
export function translateMessage(
  body: Buffer,
  model: string | null = null,
  wrapped: readonly string[] = [],
): Buffer {
  const answer = parseJson(body.toString('utf8'))
  if (!isObject(answer) || !Array.isArray(answer.content)) return body
  const said: Said = { texts: [], refusals: [], thoughts: [], calls: [] }
  let text = ''
  for (const block of filterObjects(answer.content)) {
    if (block.type === 'text') text += stringOr(block.text, '')
    else if (block.type === 'thinking') said.thoughts.push(stringOr(block.thinking, ''))
    else if (block.type === 'tool_use') {
      const id = stringOr(block.id, '') || `call_${said.calls.length}`
      const name = stringOr(block.name, '')
      const input = readToolInput(block.input)
      said.calls.push(callOf(id, name, wrapped.includes(name) ? unwrapInput(input) : input))
    }
  }
  said.texts.push(text)
  const finish = readMessageFinish(answer.stop_reason, said.calls.length)
  return completion(answer, epochSeconds(), model, said, finish, readMessageUsage(answer.usage))
}

function completion(
  answer: JsonObject,
  created: number,
  model: string | null,
  said: Said,
  finish: FinishReason,
  usage: ChatUsage | null,
): Buffer {
  const content = join(said.texts)
  const thoughts = join(said.thoughts)
  return jsonOf({
    id: stringOr(answer.id, createChatId()),
    object: 'chat.completion',
    created,
    model: stringOr(answer.model, '') || model || '',
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: content === '' && said.calls.length > 0 ? null : content,
          refusal: said.refusals.join('') || null,
          ...(thoughts === '' ? {} : { reasoning_content: thoughts }),
          ...(said.calls.length === 0 ? {} : { tool_calls: said.calls }),
        },
        logprobs: null,
        finish_reason: finish,
      },
    ],
    ...(usage === null ? {} : { usage }),
  })
}

/** As the stream writes it: an empty line between two. */
function join(texts: readonly string[]): string {
  return texts.filter((text) => text !== '').join('\n\n')
}

function callOf(id: string, name: string, input: string): JsonObject {
  return { id, type: 'function', function: { name, arguments: input } }
}

function jsonOf(value: JsonObject): Buffer {
  return Buffer.from(JSON.stringify(value))
}
