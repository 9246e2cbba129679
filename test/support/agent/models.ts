import type { Fields } from '../readers/events.js'
import type { Received } from '../upstream.js'
import { validateChat } from '../vendors/chat.js'
import { listOf, membersOf } from '../vendors/checks.js'
import { validateGemini } from '../vendors/gemini.js'
import { validateMessages } from '../vendors/messages.js'
import { validateResponses } from '../vendors/responses.js'
import { type ModelAnswer, type ModelCall, PATCH_TOOL, type Random, splitText } from './answers.js'
import type { ModelApi, Written } from './model.js'

const quote = JSON.stringify
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

function drawId(random: Random, prefix: string): string {
  return `${prefix}${Array.from({ length: 24 }, () => LETTERS[Math.floor(random() * 62)]).join('')}7a`
}

/** The arguments of a function that stands for the custom tool. */
const inputOf = ({ name, input }: ModelCall): string =>
  name === PATCH_TOOL ? `{"input":${quote(input)}}` : input

const streamFlag = (_: Received, body: Fields): boolean => body.stream === true

const sse = (json: string): string => `data: ${json}\n\n`
const named = (type: string, rest: string): string =>
  `event: ${type}\ndata: {"type":"${type}"${rest === '' ? '' : `,${rest}`}}\n\n`

/** The call of a body by its name and exact input. @param text of the input: its nonce is found in it */
function callOf(name: unknown, text: string): ModelCall {
  const nonce = /n\d+x\d+/.exec(text)?.[0] ?? null
  return { name: String(name), input: text, nonce }
}

/** The input of a call that was sent as a function: the text of the custom tool is taken out. */
function plainInput(name: unknown, args: string): string {
  return name === PATCH_TOOL ? String(membersOf(JSON.parse(args)).input) : args
}

/** DeepSeek or Kimi: chat completions that refuse a call without its `reasoning_content`. */
export function createChatModel(random: Random, ids: 'random' | 'counted'): ModelApi {
  const known = new Map<string, string>()
  let counted = 0
  const nextId = (name: string): string =>
    ids === 'random' ? drawId(random, 'call_00_') : `functions.${name}:${counted++}`
  const write = (answer: ModelAnswer, streamed: boolean, body: Fields): Written => {
    const calls = answer.calls.map((call) => ({ call, id: nextId(call.name) }))
    for (const { nonce } of answer.calls) if (nonce !== null) known.set(nonce, answer.thinking)
    const base = `"id":"chatcmpl-1","created":1700000000,"model":"deepseek-x"`
    const finish = calls.length > 0 ? 'tool_calls' : 'stop'
    const usage = '"usage":{"prompt_tokens":12,"completion_tokens":3,"total_tokens":15}'
    if (!streamed) {
      const made = calls.map(
        ({ call, id }) =>
          `{"id":"${id}","type":"function","function":{"name":"${call.name}","arguments":${quote(inputOf(call))}}}`,
      )
      const message =
        `{"role":"assistant","content":${answer.text === '' ? 'null' : quote(answer.text)},` +
        `"reasoning_content":${quote(answer.thinking)}${made.length > 0 ? `,"tool_calls":[${made.join(',')}]` : ''}}`
      const choice = `{"index":0,"message":${message},"logprobs":null,"finish_reason":"${finish}"}`
      return { parts: [`{${base},"object":"chat.completion","choices":[${choice}],${usage}}`], ending: 0 }
    }
    const chunk = (delta: string, reason = 'null'): string =>
      sse(
        `{${base},"object":"chat.completion.chunk","choices":[{"index":0,"delta":${delta},"logprobs":null,"finish_reason":${reason}}]}`,
      )
    const parts = [chunk('{"role":"assistant","content":""}')]
    for (const each of splitText(random, answer.thinking))
      parts.push(chunk(`{"reasoning_content":${quote(each)}}`))
    for (const each of splitText(random, answer.text)) parts.push(chunk(`{"content":${quote(each)}}`))
    for (const [index, { call, id }] of calls.entries()) {
      parts.push(
        chunk(
          `{"tool_calls":[{"index":${index},"id":"${id}","type":"function","function":{"name":"${call.name}","arguments":""}}]}`,
        ),
      )
      for (const each of splitText(random, inputOf(call)))
        parts.push(chunk(`{"tool_calls":[{"index":${index},"function":{"arguments":${quote(each)}}}]}`))
    }
    const ending = parts.length
    parts.push(chunk('{}', `"${finish}"`))
    if (membersOf(body.stream_options).include_usage === true)
      parts.push(sse(`{${base},"object":"chat.completion.chunk","choices":[],${usage}}`))
    parts.push(sse('[DONE]'))
    return { parts, ending }
  }
  const callsOf = (body: Fields) =>
    listOf(body.messages).flatMap((message) =>
      listOf(membersOf(message).tool_calls).map((call) => ({
        thinking: membersOf(message).reasoning_content,
        id: String(membersOf(call).id),
        made: membersOf(membersOf(call).function),
      })),
    )
  return {
    ...{ api: 'chat', list: 'messages', isStreamed: streamFlag, thinks: () => true, write },
    validate: (body) => validateChat(body, { functionsAlone: true, thinking: 'reasoning_content' }),
    checkThinking: (body) =>
      callsOf(body).flatMap(({ made, thinking }) => {
        const { nonce } = callOf(made.name, String(made.arguments))
        const isRight = nonce === null ? typeof thinking === 'string' : thinking === (known.get(nonce) ?? '')
        return isRight ? [] : [`the thinking ahead of ${nonce} is ${quote(thinking)}`]
      }),
    listCalls: (body) =>
      callsOf(body).map(({ made }) => callOf(made.name, plainInput(made.name, String(made.arguments)))),
  }
}

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
    ...{ api: 'responses', list: 'input', isStreamed: streamFlag, write },
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

/** Claude: its thinking blocks have to come back as they were, to the model that made them and to no other. */
export function createMessagesModel(random: Random): ModelApi {
  const known = new Map<string, string>()
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
      known.set(`${model} ${id}`, n === 0 ? thinking.join() : '')
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
        ...{ ending: 0, shown },
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
    ...{ api: 'messages', list: 'messages', isStreamed: streamFlag, write },
    validate: (body) => validateMessages(body, { oneSampling: true, joinsTurns: true }),
    thinks: ({ thinking }) => ['enabled', 'adaptive'].includes(String(membersOf(thinking).type)),
    checkThinking(body) {
      const problems: string[] = []
      for (const message of listOf(body.messages).map(membersOf)) {
        const blocks = listOf(message.content).map((each) => membersOf(each) as Fields)
        const first = blocks.find(({ type }) => type === 'tool_use')
        const found = blocks.filter(isThinking).map((each) => quote(each))
        const expected = first === undefined ? '' : (known.get(`${body.model} ${first.id}`) ?? '')
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

/** The calls whose inputs are objects: their exact text is looked for in the body. */
function listObjectCalls(text: string, calls: readonly { name: unknown; input: unknown }[]): ModelCall[] {
  return calls.map(({ name, input }) => {
    const { nonce } = membersOf(input)
    if (name === PATCH_TOOL) return callOf(name, String(membersOf(input).input))
    if (typeof nonce !== 'string') return callOf(name, quote(input))
    const start = text.indexOf(`{"nonce":"${nonce}"`)
    return callOf(name, text.slice(start, findEnd(text, start)))
  })
}

/** The index behind the object that starts here. */
function findEnd(text: string, start: number): number {
  let depth = 0
  let quoted = false
  for (let at = start; at < text.length; at++) {
    const letter = text[at]
    if (quoted) {
      if (letter === '\\') at++
      else if (letter === '"') quoted = false
    } else if (letter === '"') quoted = true
    else if (letter === '{') depth++
    else if (letter === '}' && --depth === 0) return at + 1
  }
  return text.length
}

/** Gemini's own API: the first call of a step has a signature that has to come back. */
export function createGeminiModel(random: Random): ModelApi {
  const known = new Map<string, string>()
  const write = (answer: ModelAnswer, streamed: boolean): Written => {
    const part = (text: string, thought: boolean): string =>
      `{"text":${quote(text)}${thought ? ',"thought":true' : ''}}`
    const calls = answer.calls.map((call, n) => {
      const signature = n === 0 ? drawId(random, 'Sig') : null
      if (call.nonce !== null && signature !== null) known.set(call.nonce, signature)
      const args = inputOf(call)
      const own = args === '{}' ? '' : `,"args":${args}`
      const id = random() < 0.5 ? `,"id":"${drawId(random, 'fc')}"` : ''
      return `{"functionCall":{"name":"${call.name}"${own}${id}}${signature === null ? '' : `,"thoughtSignature":"${signature}"`}}`
    })
    const usage =
      '"usageMetadata":{"promptTokenCount":12,"candidatesTokenCount":3,"totalTokenCount":16,"thoughtsTokenCount":1}'
    const rest = `${usage},"modelVersion":"gemini-x","responseId":"${drawId(random, 'r')}"`
    const candidate = (parts: readonly string[], end: boolean): string =>
      `{"candidates":[{"content":{"parts":[${parts.join(',')}],"role":"model"},${end ? '"finishReason":"STOP",' : ''}"index":0}],${rest}}`
    if (!streamed) {
      const all = [...(answer.thinking === '' ? [] : [part(answer.thinking, true)])]
      if (answer.text !== '') all.push(part(answer.text, false))
      return { parts: [candidate([...all, ...calls], true)], ending: 0 }
    }
    const parts = splitText(random, answer.thinking).map((each) => candidate([part(each, true)], false))
    for (const each of splitText(random, answer.text)) parts.push(candidate([part(each, false)], false))
    if (random() < 0.5) for (const each of calls) parts.push(candidate([each], false))
    else if (calls.length > 0) parts.push(candidate(calls, false))
    const ending = parts.length
    // A signature may also come with the last text.
    const last =
      calls.length > 0 ? '{"text":""}' : `{"text":"","thoughtSignature":"${drawId(random, 'Sig')}"}`
    parts.push(candidate([last], true))
    return { parts: parts.map((each) => `data: ${each}\r\n\r\n`), ending }
  }
  const partsOf = (body: Fields): Fields[] =>
    listOf(body.contents)
      .flatMap((each) => listOf(membersOf(each).parts))
      .map((each) => membersOf(each) as Fields)
      .filter(({ functionCall }) => functionCall !== undefined)
  return {
    ...{ api: 'gemini', list: 'contents', write },
    isStreamed: ({ target }) => target.includes(':streamGenerateContent?alt=sse'),
    validate: (body) => validateGemini(body, { signatures: true }),
    thinks: ({ generationConfig }) =>
      membersOf(membersOf(generationConfig).thinkingConfig).includeThoughts === true,
    checkThinking: (body) =>
      partsOf(body).flatMap(({ functionCall, thoughtSignature }) => {
        const nonce = /n\d+x\d+/.exec(quote(functionCall))?.[0] ?? ''
        const expected = known.get(nonce)
        return expected === undefined || thoughtSignature === expected
          ? []
          : [`the signature of ${nonce} is ${thoughtSignature}`]
      }),
    listCalls: (body, text) =>
      listObjectCalls(
        text,
        partsOf(body).map(({ functionCall }) => ({
          name: functionCall.name,
          input: functionCall.args ?? {},
        })),
      ),
  }
}
