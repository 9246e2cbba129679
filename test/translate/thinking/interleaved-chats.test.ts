import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { BodyApi } from '../../../src/api/apis.js'
import { findTraits } from '../../../src/api/model-table.js'
import { createResponseFacts } from '../../../src/http/response-headers.js'
import { prepareConversation } from '../../../src/translate/prepare-conversation.js'
import { ThoughtStore } from '../../../src/translate/thinking/thought-store.js'
import { fc } from '../../support/property.js'
import { edited } from '../bodies.js'

// Many chats of one team at the same time, with upstreams that make the same ids again and again.

const USUAL = findTraits({ model: null, upstream: null, preset: null, rules: [] }).traits
const TRAITS = { ...USUAL, chatThinking: 'reasoning_content', thinking: 'budget' } as const

/** One turn: the user, or the results of the last turn, and what the model answers. */
interface Turn {
  readonly user: string | null
  readonly id: string
  readonly text: string
  readonly thinks: boolean
  readonly model: string
  /** The user changes an earlier message first. */
  readonly edits: boolean
}

/** Few values of each, so that chats are alike by chance, and for long. */
const turn: fc.Arbitrary<Turn> = fc.record({
  user: fc.constantFrom(null, null, 'go on', 'stop'),
  id: fc.constantFrom('functions.read:0', 'call_0', 'call_abcdefgh12345678'),
  text: fc.constantFrom('', 'I look.'),
  thinks: fc.constantFrom(true, true, false),
  model: fc.constantFrom('m', 'm', 'm', 'other'),
  edits: fc.constantFrom(false, false, false, false, false, true),
})
const chats = fc.array(
  fc.record({
    system: fc.constantFrom('You help.', 'Be brief.'),
    user: fc.constantFrom('hi', 'read it'),
    turns: fc.array(turn, { minLength: 1, maxLength: 5 }),
  }),
  { minLength: 2, maxLength: 5 },
)
const order = fc.array(fc.nat(4), { minLength: 5, maxLength: 25 })

type Entry =
  | { readonly kind: 'user'; readonly text: string }
  | { readonly kind: 'call'; readonly id: string; readonly text: string }
  | { readonly kind: 'result'; readonly id: string }

const NAME = 'read'

const BODIES: Readonly<Record<BodyApi, (system: string, entries: readonly Entry[]) => object>> = {
  chat: (system, entries) => ({
    messages: [
      { role: 'system', content: system },
      ...entries.map((entry) => {
        if (entry.kind === 'user') return { role: 'user', content: entry.text }
        if (entry.kind === 'result') return { role: 'tool', tool_call_id: entry.id, content: 'found' }
        const call = { id: entry.id, type: 'function', function: { name: NAME, arguments: '{}' } }
        return { role: 'assistant', content: entry.text || null, tool_calls: [call] }
      }),
    ],
    tools: [{ type: 'function', function: { name: NAME, parameters: { type: 'object' } } }],
  }),
  responses: (system, entries) => ({
    instructions: system,
    input: entries.flatMap((entry): object[] => {
      if (entry.kind === 'user')
        return [{ role: 'user', content: [{ type: 'input_text', text: entry.text }] }]
      if (entry.kind === 'result')
        return [{ type: 'function_call_output', call_id: entry.id, output: 'found' }]
      const said = { role: 'assistant', content: [{ type: 'output_text', text: entry.text }] }
      const call = { type: 'function_call', call_id: entry.id, name: NAME, arguments: '{}' }
      return entry.text === '' ? [call] : [said, call]
    }),
    tools: [{ type: 'function', name: NAME, parameters: { type: 'object' } }],
  }),
  messages: (system, entries) => ({
    system,
    messages: entries.map((entry) => {
      if (entry.kind === 'user') return { role: 'user', content: entry.text }
      if (entry.kind === 'result')
        return { role: 'user', content: [{ type: 'tool_result', tool_use_id: entry.id, content: 'found' }] }
      const said = entry.text === '' ? [] : [{ type: 'text', text: entry.text }]
      return {
        role: 'assistant',
        content: [...said, { type: 'tool_use', id: entry.id, name: NAME, input: {} }],
      }
    }),
    tools: [{ name: NAME, input_schema: { type: 'object' } }],
    max_tokens: 9000,
    thinking: { type: 'enabled', budget_tokens: 2000 },
  }),
}

/** What the upstream answers. Nothing but the thinking tells it from other answers. */
const ANSWERS = {
  chat: ({ id, text }: Turn, thinking: string | null): object => ({
    id: 'same',
    choices: [
      {
        index: 0,
        finish_reason: 'tool_calls',
        message: {
          ...{ role: 'assistant', content: text || null },
          ...(thinking === null ? {} : { reasoning_content: thinking }),
          tool_calls: [{ id, type: 'function', function: { name: NAME, arguments: '{}' } }],
        },
      },
    ],
  }),
  responses: ({ id, text }: Turn, thinking: string | null): object => ({
    ...{ id: 'same', object: 'response', status: 'completed' },
    output: [
      ...(thinking === null
        ? []
        : [{ type: 'reasoning', id: 'rs', summary: [], encrypted_content: thinking }]),
      ...(text === '' ? [] : [{ type: 'message', content: [{ type: 'output_text', text }] }]),
      { type: 'function_call', call_id: id, name: NAME, arguments: '{}' },
    ],
  }),
  messages: ({ id, text }: Turn, thinking: string | null): object => ({
    ...{ id: 'same', type: 'message', role: 'assistant', stop_reason: 'tool_use' },
    content: [
      ...(thinking === null ? [] : [{ type: 'thinking', thinking, signature: 's' }]),
      ...(text === '' ? [] : [{ type: 'text', text }]),
      { type: 'tool_use', id, name: NAME, input: {} },
    ],
  }),
  gemini: ({ text }: Turn, thinking: string | null): object => ({
    responseId: 'same',
    candidates: [
      {
        finishReason: 'STOP',
        content: {
          parts: [
            ...(text === '' ? [] : [{ text }]),
            {
              functionCall: { name: NAME, args: {} },
              ...(thinking === null ? {} : { thoughtSignature: thinking }),
            },
          ],
        },
      },
    ],
  }),
}

interface Chat {
  readonly entries: Entry[]
  /** The thinking of its turns, in their order, and what asked for it. */
  readonly thoughts: { readonly text: string; readonly model: string; readonly key: string }[]
  next: number
  isEdited: boolean
}

/** No thinking is forgotten. */
const ENOUGH = 10_000_000
/** Nearly all is forgotten. */
const FEW = 2_000

/** A thought names its chat and its turn. */
const THOUGHT = /thought-\d+-\d+/g

function play(
  from: BodyApi,
  to: keyof typeof ANSWERS,
  scripts: readonly { system: string; user: string; turns: readonly Turn[] }[],
  steps: readonly number[],
  maxBytes: number,
): { readonly found: number } {
  const store = new ThoughtStore({ maxBytes, maxAgeMs: 1_000_000 })
  /** The chats whose turn had the same beginning and the same call id. */
  const users = new Map<string, Set<number>>()
  const all = scripts.map(
    ({ user }): Chat => ({ entries: [{ kind: 'user', text: user }], thoughts: [], next: 0, isEdited: false }),
  )
  let found = 0
  for (const step of steps) {
    const n = step % scripts.length
    const [script, chat] = [scripts[n], all[n]]
    const turn = script?.turns[chat?.next ?? 0]
    if (script === undefined || chat === undefined || turn === undefined) continue
    if (turn.user !== null) chat.entries.push({ kind: 'user', text: turn.user })
    const told = chat.entries.flatMap((entry, at) => (entry.kind === 'user' && at > 0 ? [at] : []))
    if (turn.edits && told[0] !== undefined) {
      chat.entries[told[0]] = { kind: 'user', text: `changed ${n} ${turn.user}` }
      chat.isEdited = true
    }
    const ahead = JSON.stringify([script.system, chat.entries])
    const body = Buffer.from(JSON.stringify({ model: 'asked', ...BODIES[from](script.system, chat.entries) }))
    const conversation = prepareConversation(from, body, {
      ...{ reads: 'chat', isCursor: true, model: 'asked', modelName: null, effort: 'high' },
      ...{ showThinking: 'reasoning_content', thoughts: store.open('team', body) },
    })
    const target = { api: to, traits: TRAITS, model: turn.model, upstream: 'up' }
    const outbound = conversation.requestFor(target)
    const sent: readonly string[] =
      edited(Buffer.concat(outbound.pieces), outbound.edits).match(THOUGHT) ?? []
    for (const text of sent) {
      const own = chat.thoughts.find((thought) => thought.text === text)
      assert.ok(own, `chat ${n} was sent ${text}`)
      assert.is(own?.model, turn.model, 'of another model')
    }
    for (const { text, model, key } of chat.thoughts) {
      if (model !== turn.model || users.get(key)?.size !== 1) continue
      if (chat.isEdited || maxBytes < ENOUGH) continue
      assert.ok(sent.includes(text), `chat ${n} was not sent its ${text}`)
      found++
    }
    const text = turn.thinks ? `thought-${n}-${chat.next}` : null
    const translation = outbound.translate?.(200, { ...createResponseFacts(), json: true }) ?? null
    const raw = Buffer.from(JSON.stringify(ANSWERS[to](turn, text)))
    const answer = translation === null ? raw : Buffer.concat([translation.push(raw), translation.end()])
    const id: string = JSON.parse(answer.toString()).choices[0].message.tool_calls[0].id
    const key = `${ahead} ${id}`
    users.set(key, (users.get(key) ?? new Set()).add(n))
    if (text !== null) chat.thoughts.push({ text, model: turn.model, key })
    chat.entries.push({ kind: 'call', id, text: turn.text }, { kind: 'result', id })
    chat.next++
  }
  return { found }
}

for (const from of ['chat', 'responses', 'messages'] as const)
  for (const to of ['chat', 'responses', 'messages', 'gemini'] as const)
    test(`${from} to ${to}: chats with the same call ids keep their thinking, and get none of another chat or model`, () => {
      let found = 0
      fc.assert(
        fc.property(chats, order, (scripts, steps) => {
          found += play(from, to, scripts, steps, ENOUGH).found
          play(from, to, scripts, steps, FEW)
        }),
        { numRuns: 30 },
      )
      assert.ok(found > 10, `${found} were found`)
    })

test.run()
