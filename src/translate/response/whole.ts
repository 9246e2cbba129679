import { isObject, type Json, numberOr, objects, parseJson, stringOr } from '../../json/values.js'
import { unwrapped } from '../custom-tools/input-decoder.js'
import { chatError } from './chat-errors.js'
import { type ChatUsage, usageOfMessage, usageOfResponse } from './chat-usage.js'
import { type FinishReason, makeId, now } from './chunk-writer.js'
import { finishOfMessage, inputOf } from './messages-stream.js'
import { argumentsOf, finishOfResponse, idOfCall, isCall } from './responses-stream.js'

/** What an answer says, gathered from its items or its blocks. */
interface Said {
  readonly texts: string[]
  readonly refusals: string[]
  readonly thoughts: string[]
  readonly calls: Json[]
}

/**
 * A whole response as a chat completion (OpenAI API reference: The response object; The chat completion object).
 * @param model for upstreams that do not tell theirs
 * @returns the same bytes if this is no response
 */
export function responsesToChat(body: Buffer, model: string | null = null): Buffer {
  const answer = parseJson(body.toString('utf8'))
  if (!isObject(answer) || !(answer.object === 'response' || Array.isArray(answer.output))) return body
  const status = stringOr(answer.status, 'completed')
  if (isObject(answer.error)) return jsonOf({ error: chatError(answer.error) })
  if (status === 'failed' || status === 'cancelled') return jsonOf({ error: chatError(null) })

  const said: Said = { texts: [], refusals: [], thoughts: [], calls: [] }
  for (const item of objects(answer.output)) {
    if (isCall(item)) {
      const id = idOfCall(item.call_id, item.id, said.calls.length)
      said.calls.push(callOf(id, stringOr(item.name, ''), argumentsOf(item)))
      continue
    }
    let text = ''
    for (const { text: thought } of objects(item.summary)) said.thoughts.push(stringOr(thought, ''))
    for (const part of objects(item.content)) {
      if (part.type === 'refusal') said.refusals.push(stringOr(part.refusal, ''))
      else if (part.type === 'reasoning_text') said.thoughts.push(stringOr(part.text, ''))
      else text += stringOr(part.text, '')
    }
    said.texts.push(text)
  }
  const finish = finishOfResponse(answer, status, said.calls.length)
  return completion(
    answer,
    numberOr(answer.created_at, now()),
    model,
    said,
    finish,
    usageOfResponse(answer.usage),
  )
}

/**
 * A whole message as a chat completion (Anthropic API reference: Messages).
 * @param model for upstreams that do not tell theirs
 * @param wrapped names of tools that take a text, and were told of as if they took JSON
 * @returns the same bytes if this is no message
 */
export function messagesToChat(
  body: Buffer,
  model: string | null = null,
  wrapped: readonly string[] = [],
): Buffer {
  const answer = parseJson(body.toString('utf8'))
  if (!isObject(answer) || !Array.isArray(answer.content)) return body
  const said: Said = { texts: [], refusals: [], thoughts: [], calls: [] }
  let text = ''
  for (const block of objects(answer.content)) {
    if (block.type === 'text') text += stringOr(block.text, '')
    else if (block.type === 'thinking') said.thoughts.push(stringOr(block.thinking, ''))
    else if (block.type === 'tool_use') {
      const id = stringOr(block.id, '') || `call_${said.calls.length}`
      const name = stringOr(block.name, '')
      const input = inputOf(block.input)
      said.calls.push(callOf(id, name, wrapped.includes(name) ? unwrapped(input) : input))
    }
  }
  said.texts.push(text)
  const finish = finishOfMessage(answer.stop_reason, said.calls.length)
  return completion(answer, now(), model, said, finish, usageOfMessage(answer.usage))
}

function completion(
  answer: Json,
  created: number,
  model: string | null,
  said: Said,
  finish: FinishReason,
  usage: ChatUsage | null,
): Buffer {
  const content = join(said.texts)
  const thoughts = join(said.thoughts)
  return jsonOf({
    id: stringOr(answer.id, makeId()),
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

function callOf(id: string, name: string, input: string): Json {
  return { id, type: 'function', function: { name, arguments: input } }
}

function jsonOf(value: Json): Buffer {
  return Buffer.from(JSON.stringify(value))
}
