import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { planRepairs, type Repair, type TurnFacts } from '../../../src/translate/repair/turns.js'
import { fc } from '../../support/property.js'

/** A turn in short: `+a` calls a, `-a` has its result, `.` is something else. */
function parse(turn: string): TurnFacts {
  const words = turn.split(' ')
  const find = (sign: string): string[] =>
    words.filter((word) => word[0] === sign).map((word) => word.slice(1))
  return { calls: find('+'), results: find('-') }
}

function show(repair: Repair): string {
  if (repair.kind === 'drop') return `drop ${repair.turn}/${repair.result}`
  return `${repair.kind} ${repair.kind === 'move' ? repair.turn : repair.id} behind ${repair.after}`
}

const CASES: readonly (readonly [what: string, turns: string[], repairs: string[]])[] = [
  ['nothing at all', [], []],
  ['no calls', ['.', '.'], []],
  ['a call with its result', ['.', '+a', '-a', '.'], []],
  ['several calls with their results, in any order', ['+a +b', '-b', '-a', '.'], []],
  ['results in one turn', ['+a +b', '-a -b', '+c', '-c'], []],
  ['calls at the end', ['.', '+a +b'], []],
  ['an id that is used again', ['+a', '-a', '+a', '-a'], []],
  ['a system message between a call and its result', ['+a', '.', '-a', '.'], ['move 2 behind 0']],
  ['several messages between', ['+a +b', '.', '-a', '.', '-b', '.'], ['move 2 behind 0', 'move 4 behind 0']],
  ['a message between two results', ['+a +b', '-a', '.', '-b'], ['move 3 behind 1']],
  ['a call that was stopped', ['+a', '.'], ['cancel a behind 0']],
  ['one of several calls that was stopped', ['+a +b', '-a', '.'], ['cancel b behind 0']],
  ['one of several calls without a result so far', ['+a +b', '-a'], ['cancel b behind 0']],
  ['a stopped call ahead of a last one', ['+a', '.', '+b'], ['cancel a behind 0']],
  ['a stopped call whose id is used again', ['+a', '.', '+a', '-a'], ['cancel a behind 0']],
  ['a result without a call', ['.', '-a', '.'], ['drop 1/0']],
  ['a result ahead of its call', ['-a', '+a', '.'], ['drop 0/0', 'cancel a behind 1']],
  ['a doubled result', ['+a', '-a', '-a', '.'], ['drop 2/0']],
  ['a doubled result in one turn', ['+a', '-a -a'], ['drop 1/1']],
  ['a doubled id in one turn', ['+a +a', '-a', '-a'], []],
  ['a doubled id with one result', ['+a +a', '-a', '.'], ['cancel a behind 0']],
  ['calls of neighbouring turns', ['+a', '+b', '-a', '-b'], ['move 2 behind 0']],
  ['results for two turns in one', ['+a', '.', '+b', '-a -b'], ['drop 3/0', 'cancel a behind 0']],
  ['calls and results in one turn', ['+a', '.', '-a +b', '-b', '.'], ['move 2 behind 0', 'move 3 behind 0']],
]

test('repairs are planned for what vendors refuse, and for nothing else', () => {
  for (const [what, turns, repairs] of CASES)
    assert.equal(planRepairs(turns.map(parse)).map(show), repairs, what)
})

/** Applies a plan as a caller does. */
function apply(turns: readonly TurnFacts[], repairs: readonly Repair[]): TurnFacts[] {
  const moved = new Set(repairs.flatMap((repair) => (repair.kind === 'move' ? [repair.turn] : [])))
  const dropped = new Set(
    repairs.flatMap((repair) => (repair.kind === 'drop' ? [`${repair.turn}/${repair.result}`] : [])),
  )
  const copy = (n: number): TurnFacts => {
    const { calls, results } = turns[n] as TurnFacts
    return { calls, results: results.filter((_, result) => !dropped.has(`${n}/${result}`)) }
  }
  return turns.flatMap((_, n) => [
    ...(moved.has(n) ? [] : [copy(n)]),
    ...repairs.flatMap((repair) => {
      if (repair.kind === 'drop' || repair.after !== n) return []
      return repair.kind === 'move' ? [copy(repair.turn)] : [{ calls: [], results: [repair.id] }]
    }),
  ])
}

const id = fc.constantFrom('a', 'b', 'c')
const turn = fc.oneof(
  fc.record({ calls: fc.uniqueArray(id, { minLength: 1 }), results: fc.constant([]) }),
  fc.record({ calls: fc.constant([]), results: fc.array(id, { maxLength: 3 }) }),
)

test('after its repairs each call has one result directly behind it, and a second plan finds nothing', () => {
  fc.assert(
    fc.property(fc.array(turn, { maxLength: 12 }), (turns) => {
      const repairs = planRepairs(turns)
      const repaired = apply(turns, repairs)
      const open = new Set<string>()
      for (const { calls, results } of repaired) {
        for (const result of results) assert.ok(open.delete(result), 'a result has a call')
        if (results.length > 0) continue
        // A turn that lost all its results is empty, and a caller leaves it out.
        if (calls.length > 0) assert.is(open.size, 0)
        for (const call of calls) open.add(call)
      }
      if ((turns[turns.length - 1]?.calls.length ?? 0) === 0) assert.is(open.size, 0)
      const places = repairs.flatMap((repair) => (repair.kind === 'drop' ? [] : [repair.after]))
      assert.equal(
        places,
        [...places].sort((a, b) => a - b),
      )
      const full = repaired.filter(({ calls, results }) => calls.length > 0 || results.length > 0)
      assert.equal(planRepairs(full), [])
    }),
    { numRuns: 1000 },
  )
})

test('a conversation that grows keeps the repairs of its complete turns', () => {
  fc.assert(
    fc.property(fc.array(turn, { maxLength: 8 }), fc.array(turn, { maxLength: 4 }), (begin, more) => {
      // A beginning that is complete: no call of it gets its result later.
      const start = [...begin, { calls: ['z'], results: [] }, { calls: [], results: ['z'] }]
      const used = more.map(({ calls, results }) => ({
        calls: calls.map((each) => `n${each}`),
        results: results.map((each) => `n${each}`),
      }))
      const short = apply(start, planRepairs(start))
      const long = apply([...start, ...used], planRepairs([...start, ...used]))
      assert.equal(long.slice(0, short.length), short)
    }),
  )
})

test.run()
