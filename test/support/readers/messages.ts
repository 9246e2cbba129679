import * as assert from 'uvu/assert'
import {
  createAnswer,
  type Fields,
  type ReadAnswer,
  requireCount,
  requireMembers,
  requireText,
  splitEvents,
} from './events.js'

const STOP_REASONS = ['end_turn', 'max_tokens', 'tool_use', 'refusal']
const DELTAS: Readonly<Record<string, [block: string, member: string]>> = {
  text_delta: ['text', 'text'],
  thinking_delta: ['thinking', 'thinking'],
  signature_delta: ['thinking', 'signature'],
  input_json_delta: ['tool_use', 'partial_json'],
}

/**
 * Reads the stream of a message as strictly as its reference allows (Anthropic docs: Streaming messages): blocks one
 * after the other, each opened and closed once, a thinking block with one signature right ahead of its end, one message
 * delta, and nothing behind the end or an error.
 */
export function readMessagesStream(text: string): ReadAnswer {
  const answer = createAnswer()
  let block: Fields | null = null
  let blocks = 0
  let isBegun = false
  let isSigned = false
  for (const { name, data } of splitEvents(text)) {
    const event: Fields = JSON.parse(data)
    assert.is(event.type, name)
    assert.is(answer.end, null, `nothing follows the end: ${data}`)
    if (name === 'error') {
      requireError(event)
      answer.error = event.error
      answer.end = 'error'
      continue
    }
    assert.is(name !== 'message_start', isBegun, 'the message starts once, and first')
    if (answer.reason !== null) assert.is(name, 'message_stop')
    switch (name) {
      case 'message_start':
        requireMembers(event, 'type message')
        requireMessage(event.message)
        assert.equal(event.message.content, [])
        assert.is(event.message.stop_reason, null)
        isBegun = true
        break
      case 'ping':
        requireMembers(event, 'type')
        break
      case 'content_block_start':
        requireMembers(event, 'type index content_block')
        assert.is(block, null, 'one block is open at a time')
        assert.is(event.index, blocks)
        block = event.content_block as Fields
        requireBlock(block)
        isSigned = false
        if (block.type === 'tool_use') {
          assert.equal(block.input, {})
          answer.calls.push({ id: block.id, name: block.name, isCustom: false, input: '' })
        } else assert.is(block[block.type], '')
        break
      case 'content_block_delta': {
        requireMembers(event, 'type index delta')
        assert.is(event.index, blocks)
        const [type, member] = DELTAS[event.delta.type] ?? []
        requireMembers(event.delta, `type ${member}`)
        assert.is(block?.type, type)
        assert.is(isSigned, false)
        const part = event.delta[member as string]
        if (member === 'signature') isSigned = true
        else requireText(part)
        if (member === 'text') answer.text += part
        else if (member === 'thinking') answer.reasoning += part
        else if (member === 'partial_json') (answer.calls.at(-1) as { input: string }).input += part
        break
      }
      case 'content_block_stop':
        requireMembers(event, 'type index')
        assert.is(event.index, blocks++)
        assert.is.not(block, null)
        assert.is(isSigned, block?.type === 'thinking')
        block = null
        break
      case 'message_delta':
        requireMembers(event, 'type delta usage')
        requireMembers(event.delta, 'stop_reason stop_sequence')
        assert.is(block, null, 'all blocks are closed')
        assert.ok(STOP_REASONS.includes(event.delta.stop_reason))
        assert.is(event.delta.stop_sequence, null)
        requireUsage(event.usage)
        answer.reason = event.delta.stop_reason
        answer.usage = event.usage
        break
      case 'message_stop':
        requireMembers(event, 'type')
        assert.is.not(answer.reason, null)
        answer.end = 'finish'
        break
      default:
        assert.unreachable(`an odd event: ${name}`)
    }
  }
  return answer
}

/** Fails unless the object is a whole message. */
export function requireMessage(message: Fields): void {
  requireMembers(message, 'id type role model content stop_reason stop_sequence usage')
  requireText(message.id)
  assert.is(message.type, 'message')
  assert.is(message.role, 'assistant')
  assert.type(message.model, 'string')
  assert.is(message.stop_sequence, null)
  for (const block of message.content) requireBlock(block)
  requireUsage(message.usage)
}

/** Fails unless the object is an error of this API, with one of its type names. */
export function requireError(body: Fields): void {
  requireMembers(body, 'type error')
  requireMembers(body.error, 'type message')
  assert.is(body.type, 'error')
  requireText(body.error.message)
  assert.match(body.error.type, /^(?:[a-z_]+_error|request_too_large)$/)
}

function requireBlock(block: Fields): void {
  if (block.type === 'text') requireMembers(block, 'type text')
  else if (block.type === 'thinking') requireMembers(block, 'type thinking signature')
  else {
    assert.is(block.type, 'tool_use')
    requireMembers(block, 'type id name input')
    assert.ok(typeof block.input === 'object' && block.input !== null && !Array.isArray(block.input))
  }
}

function requireUsage(usage: Fields): void {
  requireMembers(usage, 'input_tokens cache_creation_input_tokens cache_read_input_tokens output_tokens')
  for (const count of Object.values(usage)) requireCount(count)
}
