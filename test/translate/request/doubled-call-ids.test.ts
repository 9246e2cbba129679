import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fc } from '../../support/property.js'
import { sent } from '../native.js'

type Fields = Record<string, unknown>

/** A call, and whether it has a result: the user may have stopped it. */
interface Call {
  readonly id: string
  readonly answered: boolean
}

/** The name of a call says its place, and so does the text of its result. */
const BODIES = {
  responses: (turns: readonly (readonly Call[])[]) => ({
    input: turns.flatMap((calls, n): object[] => [
      { role: 'user', content: 'go on' },
      ...calls.map(({ id }, k) => ({
        ...{ type: 'function_call', call_id: id, name: `f${n}_${k}`, arguments: '{}' },
      })),
      ...calls.flatMap(({ id, answered }, k) =>
        answered ? [{ type: 'function_call_output', call_id: id, output: `f${n}_${k}` }] : [],
      ),
    ]),
  }),
  messages: (turns: readonly (readonly Call[])[]) => ({
    max_tokens: 9,
    messages: turns.flatMap((calls, n): object[] => [
      { role: 'user', content: 'go on' },
      {
        role: 'assistant',
        content: calls.map(({ id }, k) => ({ type: 'tool_use', id, name: `f${n}_${k}`, input: {} })),
      },
      {
        role: 'user',
        content: calls.flatMap(({ id, answered }, k) =>
          answered ? [{ type: 'tool_result', tool_use_id: id, content: `f${n}_${k}` }] : [],
        ),
      },
    ]),
  }),
} as const

/** All calls and results, in their order. */
function listParts(shape: keyof typeof BODIES, turns: readonly (readonly Call[])[]): Fields[] {
  const body = sent(shape, BODIES[shape](turns)) as Fields
  const list = (body.input ?? body.messages) as Fields[]
  return list
    .flatMap((each) => (Array.isArray(each.content) ? (each.content as Fields[]) : [each]))
    .filter(({ type }) => type !== undefined && type !== 'text')
}

function read(part: Fields) {
  const id = String(part.tool_use_id ?? part.call_id ?? part.id)
  return { id, isCall: part.name !== undefined, text: String(part.name ?? part.output ?? part.content) }
}

// Of calls with one id in one turn, none is stopped: nobody could say which one has the result.
const turn = fc
  .array(fc.record({ id: fc.constantFrom('a', 'a', 'a_2', 'functions.f:0'), answered: fc.boolean() }), {
    minLength: 1,
    maxLength: 3,
  })
  .map((calls) =>
    calls.map((call) => ({
      ...call,
      answered: call.answered || calls.filter(({ id }) => id === call.id).length > 1,
    })),
  )

for (const shape of ['responses', 'messages'] as const)
  test(`${shape}: no two calls have one id, and each result is that of its call`, () => {
    fc.assert(
      fc.property(fc.array(turn, { minLength: 1, maxLength: 5 }), (turns) => {
        const parts = listParts(shape, turns).map(read)
        const calls = parts.filter(({ isCall }) => isCall)
        assert.is(calls.length, turns.flat().length)
        assert.is(new Set(calls.map(({ id }) => id)).size, calls.length, 'ids are doubled')
        const names = new Map(calls.map(({ id, text }) => [id, text]))
        const results = parts.filter(({ isCall }) => !isCall)
        assert.is(new Set(results.map(({ id }) => id)).size, results.length, 'results are doubled')
        for (const { id, text } of results)
          assert.ok(text === names.get(id) || text.startsWith('Cancelled'), `${names.get(id)} has ${text}`)
        const kept = results.filter(({ text }) => text.startsWith('f')).length
        assert.is(kept, turns.flat().filter(({ answered }) => answered).length, 'results are lost')
        // A longer chat begins like it, up to its last turn.
        const shorter = listParts(shape, turns.slice(0, -1)).filter(({ name }) => name !== undefined)
        assert.equal(
          listParts(shape, turns)
            .filter(({ name }) => name !== undefined)
            .slice(0, shorter.length),
          shorter,
        )
      }),
    )
  })

test.run()
