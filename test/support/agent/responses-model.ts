import type { Fields } from '../readers/events.js'
import { listOf, membersOf } from '../vendors/checks.js'
import { validateResponses } from '../vendors/responses.js'
import { type ModelAnswer, type ModelCall, PATCH_TOOL, type Random, splitText } from './answers.js'
import type { ModelApi, Written } from './model.js'
import { callOf, drawId, named, quote, streamFlag } from './model-texts.js'

/** A GPT model that reasons: it wants its encrypted reasoning items back, unchanged. */
export function createResponsesModel(random: Random): ModelApi {
  const known = new Map<string, string>()
  const write = (answer: ModelAnswer, streamed: boolean): Written => {
    const created =
      '"object":"response","created_at":1700000000,"model":"gpt-x","error":null,"incomplete_details":null'
    const reasoning = (): string =>
      `{"id":"${drawId(random, 'rs_')}","type":"reasoning","summary":[{"type":"summary_text","text":${quote(answer.thinking)}}],"encrypted_content":"${drawId(random, 'gAAAA')}=="}`
    const items: { json: string; call: ModelCall | null }[] = [{ json: reasoning(), call: null }]
    if (answer.text !== '')
      items.push({
        json: `{"id":"${drawId(random, 'msg_')}","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","annotations":[],"logprobs":[],"text":${quote(answer.text)}}]}`,
        call: null,
      })
    for (const call of answer.calls) {
      const id = drawId(random, 'call_')
      if (call === answer.calls[0]) known.set(id, sortMembers(JSON.parse(items[0]?.json as string)))
      else if (random() < 0.3) {
        // The model reasons again, and says nothing of it.
        const json = `{"id":"${drawId(random, 'rs_')}","type":"reasoning","summary":[],"encrypted_content":"${drawId(random, 'gBBBB')}"}`
        items.push({ json, call: null })
        known.set(id, sortMembers(JSON.parse(json)))
      } else known.set(id, '')
      const custom = call.name === PATCH_TOOL
      items.push({
        json: `{"id":"${drawId(random, custom ? 'ctc_' : 'fc_')}","type":"${custom ? 'custom_tool_call' : 'function_call'}","status":"completed","call_id":"${id}","name":"${call.name}","${custom ? 'input' : 'arguments'}":${quote(call.input)}}`,
        call,
      })
    }
    const usage =
      '"usage":{"input_tokens":12,"input_tokens_details":{"cached_tokens":4},"output_tokens":3,"output_tokens_details":{"reasoning_tokens":1},"total_tokens":15}'
    const output = items.map(({ json }) => json).join(',')
    const done = `{"id":"resp_1",${created},"status":"completed","output":[${output}],${usage}}`
    if (!streamed) return { parts: [done], ending: 0 }
    const started = `{"id":"resp_1",${created},"status":"in_progress","output":[],"usage":null}`
    const parts: string[] = []
    const add = (type: string, rest: string): void =>
      void parts.push(named(type, `"sequence_number":${parts.length},${rest}`))
    add('response.created', `"response":${started}`)
    add('response.in_progress', `"response":${started}`)
    for (const [index, { json, call }] of items.entries()) writeItem(add, random, index, json, call)
    const ending = parts.length
    add('response.completed', `"response":${done}`)
    return { parts, ending }
  }
  return {
    api: 'responses',
    list: 'input',
    isStreamed: streamFlag,
    write,
    validate: (body) => validateResponses(body, { reasons: true }),
    thinks: (body) => listOf(body.include).includes('reasoning.encrypted_content'),
    checkThinking(body) {
      const problems: string[] = []
      let waiting: string[] = []
      for (const item of listOf(body.input).map(membersOf)) {
        if (item.type === 'reasoning') waiting.push(sortMembers(item))
        else if (String(item.type).endsWith('_call')) {
          const expected = known.get(String(item.call_id)) ?? ''
          if (waiting.join() !== expected)
            problems.push(
              `ahead of ${item.call_id} is ${waiting.join() || 'nothing'} instead of ${expected || 'nothing'}`,
            )
          waiting = []
        }
      }
      return waiting.length > 0 ? [...problems, 'reasoning that leads to no call'] : problems
    },
    listCalls: (body) =>
      listOf(body.input)
        .map(membersOf)
        .filter(({ type }) => String(type).endsWith('_call'))
        .map(({ name, arguments: args, input }) => callOf(name, String(input ?? args))),
  }
}

/** The order of members says nothing. */
function sortMembers(item: Fields): string {
  return quote(Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1))))
}

function writeItem(
  add: (type: string, rest: string) => void,
  random: Random,
  index: number,
  json: string,
  call: ModelCall | null,
): void {
  const item = JSON.parse(json) as Fields
  const at = `"item_id":"${item.id}","output_index":${index}`
  if (listOf(item.summary ?? [null]).length === 0) {
    add('response.output_item.added', `"output_index":${index},"item":${json}`)
    add('response.output_item.done', `"output_index":${index},"item":${json}`)
    return
  }
  const text = call?.input ?? String(membersOf(listOf(item.content ?? item.summary)[0]).text)
  const begun = quote({
    ...item,
    ...(item.status === undefined ? null : { status: 'in_progress' }),
    ...(item.content === undefined ? null : { content: [] }),
    ...(item.summary === undefined ? null : { summary: [] }),
    ...(item.arguments === undefined ? null : { arguments: '' }),
    ...(item.input === undefined ? null : { input: '' }),
  })
  add('response.output_item.added', `"output_index":${index},"item":${begun}`)
  const part = item.type === 'message' ? 'content' : 'summary'
  const name =
    item.type === 'message'
      ? 'response.output_text'
      : item.type === 'reasoning'
        ? 'response.reasoning_summary_text'
        : item.type === 'function_call'
          ? 'response.function_call_arguments'
          : 'response.custom_tool_call_input'
  const place = call === null ? `${at},"${part}_index":0` : at
  const partName = part === 'content' ? 'response.content_part' : 'response.reasoning_summary_part'
  const whole = quote(listOf(item[part])[0])
  if (call === null) add(`${partName}.added`, `${place},"part":${quote({ ...JSON.parse(whole), text: '' })}`)
  for (const each of splitText(random, text)) add(`${name}.delta`, `${place},"delta":${quote(each)}`)
  const member = call === null ? 'text' : item.type === 'function_call' ? 'arguments' : 'input'
  add(`${name}.done`, `${place},"${member}":${quote(text)}`)
  if (call === null) add(`${partName}.done`, `${place},"part":${whole}`)
  add('response.output_item.done', `"output_index":${index},"item":${json}`)
}
