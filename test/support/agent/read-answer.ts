import * as assert from 'uvu/assert'
import type { Response } from '../client.js'
import type { Fields } from '../readers/events.js'
import { listOf, membersOf } from '../vendors/checks.js'
import type { HistoryCall } from './cursor.js'

/** What Cursor has read of one answer. */
export interface AgentAnswer {
  readonly text: string
  readonly thinking: string
  readonly calls: readonly HistoryCall[]
  readonly reason: unknown
}

/** Reads a successful answer as Cursor does. Fails if it is none. */
export function readAgentAnswer(response: Response, streamed: boolean): AgentAnswer {
  const text = response.body.toString()
  assert.is(response.status, 200, text)
  assert.ok(response.complete, 'the response is complete')
  return streamed ? readStream(text) : readWhole(text)
}

/** Whether a client takes this for a whole answer. */
export function looksComplete(response: Response, streamed: boolean): boolean {
  if (response.status !== 200) return false
  const text = response.body.toString()
  if (streamed) return text.includes('data: [DONE]\n')
  try {
    return response.complete && (JSON.parse(text) as Fields).error === undefined
  } catch {
    return false
  }
}

function readWhole(text: string): AgentAnswer {
  const body = JSON.parse(text) as Fields
  assert.is(body.object, 'chat.completion', text)
  const { message, finish_reason: reason } = body.choices[0]
  return {
    text: message.content ?? '',
    thinking: message.reasoning_content ?? '',
    calls: (message.tool_calls ?? []).map((call: Fields) => ({
      id: call.id,
      name: call.function.name,
      arguments: call.function.arguments,
    })),
    reason,
  }
}

function readStream(stream: string): AgentAnswer {
  const calls: { id: string; name: string; arguments: string }[] = []
  let text = ''
  let thinking = ''
  let reason: unknown = null
  const events = stream.split('\n\n').filter((each) => each.startsWith('data: '))
  assert.is(events.pop(), 'data: [DONE]', stream.slice(-500))
  for (const event of events) {
    const chunk = JSON.parse(event.slice(6)) as Fields
    assert.is(chunk.object, 'chat.completion.chunk', event)
    const [choice] = listOf(chunk.choices).map((each) => membersOf(each))
    if (choice === undefined) continue
    const delta = membersOf(choice.delta)
    if (typeof delta.content === 'string') text += delta.content
    if (typeof delta.reasoning_content === 'string') thinking += delta.reasoning_content
    for (const piece of listOf(delta.tool_calls).map((each) => membersOf(each))) {
      const made = membersOf(piece.function)
      const index = Number(piece.index)
      if (index === calls.length) calls.push({ id: String(piece.id), name: String(made.name), arguments: '' })
      const call = calls[index]
      assert.ok(call !== undefined, event)
      if (typeof made.arguments === 'string' && call !== undefined) call.arguments += made.arguments
    }
    reason = choice.finish_reason ?? reason
  }
  return { text, thinking, calls, reason }
}
