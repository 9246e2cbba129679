import type { Fields } from '../readers/events.js'
import { listOf, membersOf } from '../vendors/checks.js'
import { validateMessages } from '../vendors/messages.js'
import { type ModelAnswer, type Random, splitText } from './answers.js'
import type { ModelApi, Written } from './model.js'
import { drawId, inputOf, listObjectCalls, named, quote, streamFlag } from './model-texts.js'

/** Claude: its thinking blocks have to come back as they were. */
export function createMessagesModel(random: Random): ModelApi {
  /** By the id of a call: what was thought ahead of it, and by which model. */
  const known = new Map<string, { readonly json: string; readonly model: unknown }>()
  const write = (given: ModelAnswer, streamed: boolean, { model }: Fields): Written => {
    const blocks: { json: string; deltas: string[] }[] = []
    const thinking: string[] = []
    // Newer models may show nothing of what they think: the signature alone comes.
    const shown = random() < 0.15 ? '' : given.thinking
    const answer = { ...given, thinking: shown }
    if (given.thinking !== '') {
      const signature = `${drawId(random, 'Eq')}==`
      thinking.push(`{"type":"thinking","thinking":${quote(answer.thinking)},"signature":"${signature}"}`)
      blocks.push({
        json: '{"type":"thinking","thinking":"","signature":""}',
        deltas: [
          ...splitText(random, answer.thinking).map(
            (each) => `{"type":"thinking_delta","thinking":${quote(each)}}`,
          ),
          `{"type":"signature_delta","signature":"${signature}"}`,
        ],
      })
      if (random() < 0.2) {
        thinking.push(`{"type":"redacted_thinking","data":"${drawId(random, 'Red')}"}`)
        blocks.push({ json: thinking[1] as string, deltas: [] })
      }
    }
    const full = [...thinking]
    if (answer.text !== '') {
      full.push(`{"type":"text","text":${quote(answer.text)}}`)
      blocks.push({
        json: '{"type":"text","text":""}',
        deltas: splitText(random, answer.text).map((each) => `{"type":"text_delta","text":${quote(each)}}`),
      })
    }
    for (const [n, call] of answer.calls.entries()) {
      const id = drawId(random, 'toolu_01')
      known.set(id, { json: n === 0 ? thinking.join() : '', model })
      full.push(`{"type":"tool_use","id":"${id}","name":"${call.name}","input":${inputOf(call)}}`)
      const pieces = inputOf(call) === '{}' ? [''] : ['', ...splitText(random, inputOf(call))]
      blocks.push({
        json: `{"type":"tool_use","id":"${id}","name":"${call.name}","input":{}}`,
        deltas: pieces.map((each) => `{"type":"input_json_delta","partial_json":${quote(each)}}`),
      })
    }
    const reason = answer.calls.length > 0 ? 'tool_use' : 'end_turn'
    const begin = '"id":"msg_1","type":"message","role":"assistant","model":"claude-x"'
    const usage =
      '"usage":{"input_tokens":12,"cache_creation_input_tokens":0,"cache_read_input_tokens":4,"output_tokens":3}'
    if (!streamed)
      return {
        parts: [
          `{${begin},"content":[${full.join(',')}],"stop_reason":"${reason}","stop_sequence":null,${usage}}`,
        ],
        ending: 0,
        shown,
      }
    const parts = [
      named(
        'message_start',
        `"message":{${begin},"content":[],"stop_reason":null,"stop_sequence":null,${usage}}`,
      ),
      named('ping', ''),
    ]
    for (const [index, { json, deltas }] of blocks.entries()) {
      parts.push(named('content_block_start', `"index":${index},"content_block":${json}`))
      for (const each of deltas) parts.push(named('content_block_delta', `"index":${index},"delta":${each}`))
      parts.push(named('content_block_stop', `"index":${index}`))
    }
    parts.push(
      named(
        'message_delta',
        `"delta":{"stop_reason":"${reason}","stop_sequence":null},"usage":{"output_tokens":7}`,
      ),
    )
    const ending = parts.length
    parts.push(named('message_stop', ''))
    return { parts, ending, shown }
  }
  const isThinking = ({ type }: Fields): boolean => type === 'thinking' || type === 'redacted_thinking'
  return {
    api: 'messages',
    list: 'messages',
    isStreamed: streamFlag,
    write,
    validate: (body) => validateMessages(body, { oneSampling: true, joinsTurns: true }),
    thinks: ({ thinking }) => ['enabled', 'adaptive'].includes(String(membersOf(thinking).type)),
    checkThinking(body) {
      const problems: string[] = []
      for (const message of listOf(body.messages).map(membersOf)) {
        const blocks = listOf(message.content).map((each) => membersOf(each) as Fields)
        const first = blocks.find(({ type }) => type === 'tool_use')
        const found = blocks.filter(isThinking).map((each) => quote(each))
        const thought = known.get(String(first?.id))
        // What another model thought is no use to this one.
        const expected = thought !== undefined && thought.model === body.model ? thought.json : ''
        if (found.join() !== expected)
          problems.push(`thinking is ${found.join() || 'missing'} instead of ${expected || 'none'}`)
        if (found.length > 0 && !blocks.slice(0, found.length).every(isThinking))
          problems.push('thinking is not first')
      }
      return problems
    },
    listCalls: (body, text) =>
      listObjectCalls(
        text,
        listOf(body.messages)
          .flatMap((message) =>
            listOf(membersOf(message).content)
              .map((each) => membersOf(each))
              .filter(({ type }) => type === 'tool_use'),
          )
          .map(({ name, input }) => ({ name, input })),
      ),
  }
}
