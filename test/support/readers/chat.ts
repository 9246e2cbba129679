import * as assert from 'uvu/assert'
import {
  createAnswer,
  type Fields,
  type ReadAnswer,
  requireCount,
  requireMembers,
  requireOpenAIError,
  requireText,
  splitEvents,
} from './events.js'

const REASONS = ['stop', 'length', 'tool_calls', 'content_filter']

/**
 * Reads a stream of chat completion chunks as strictly as its reference allows (OpenAI API reference: The chat
 * completion chunk object), and as the relay promises: the role first and alone, one member per delta, one finish
 * reason, then at most one usage chunk, then [DONE]; nothing behind [DONE] or an error.
 */
export function readChatStream(text: string): ReadAnswer {
  const answer = createAnswer()
  let head: string | null = null
  for (const { name, data } of splitEvents(text)) {
    assert.is(name, null, 'events of chat completions have no names')
    assert.is(answer.end, null, `nothing follows the end: ${data}`)
    if (data === '[DONE]') {
      assert.is.not(answer.reason, null, 'the finish reason comes ahead of [DONE]')
      answer.end = 'finish'
      continue
    }
    const chunk: Fields = JSON.parse(data)
    if ('error' in chunk) {
      requireMembers(chunk, 'error')
      requireOpenAIError(chunk.error)
      assert.is(answer.reason, null, 'no error follows a finish reason')
      answer.error = chunk.error
      answer.end = 'error'
      continue
    }
    const isUsage = 'usage' in chunk
    requireMembers(chunk, `id object created model choices${isUsage ? ' usage' : ''}`)
    const { id, object, created, model, choices } = chunk
    assert.is(object, 'chat.completion.chunk')
    requireText(id)
    requireCount(created)
    assert.type(model, 'string')
    const own = JSON.stringify([id, created, model])
    if (isUsage) {
      assert.equal(choices, [])
      assert.is.not(answer.reason, null, 'the usage follows the finish reason')
      assert.is(answer.usage, null, 'there is one usage chunk')
      readUsage(answer, chunk.usage)
    } else if (head === null) {
      head = own
      assert.equal(choices, [
        { index: 0, delta: { role: 'assistant', content: '' }, logprobs: null, finish_reason: null },
      ])
    } else {
      assert.is(choices.length, 1)
      readChoice(answer, choices[0])
    }
    assert.is(own, head, 'all chunks have the same head')
  }
  return answer
}

function readUsage(answer: ReadAnswer, usage: Fields): void {
  for (const name of ['prompt_tokens', 'completion_tokens', 'total_tokens']) requireCount(usage[name])
  answer.usage = usage
}

function readChoice(answer: ReadAnswer, choice: unknown): void {
  requireMembers(choice, 'index delta logprobs finish_reason')
  const { index, delta, logprobs, finish_reason: reason } = choice
  assert.is(index, 0)
  assert.is(logprobs, null)
  assert.is(answer.reason, null, 'nothing follows the finish reason')
  if (reason !== null) {
    assert.ok(REASONS.includes(reason))
    assert.equal(delta, {})
    answer.reason = reason
    return
  }
  const members = Object.keys(delta)
  assert.is(members.length, 1)
  if (members[0] === 'tool_calls') {
    assert.is(delta.tool_calls.length, 1)
    readCall(answer, delta.tool_calls[0])
    return
  }
  const text = Object.values(delta)[0] as string
  requireText(text)
  if (members[0] === 'content') answer.text += text
  else if (members[0] === 'reasoning_content') answer.reasoning += text
  else if (members[0] === 'refusal') answer.refusal += text
  else assert.unreachable(`an odd delta: ${members[0]}`)
}

function readCall({ calls }: ReadAnswer, call: Fields): void {
  const { index, id, function: made } = call
  if (index === calls.length) {
    requireMembers(call, 'index id type function')
    requireMembers(made, 'name arguments')
    assert.is(call.type, 'function')
    assert.type(id, 'string')
    assert.type(made.name, 'string')
    assert.is(made.arguments, '')
    calls.push({ id, name: made.name, isCustom: false, input: '' })
    return
  }
  requireMembers(call, 'index function')
  requireMembers(made, 'arguments')
  requireText(made.arguments)
  const begun = calls[index]
  assert.ok(begun !== undefined, 'arguments follow the beginning of their call')
  begun.input += made.arguments
}
