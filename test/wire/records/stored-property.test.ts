import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fc } from '../../support/property.js'
import { type Got, type StoredScene, withProviders } from '../../support/stored-scene.js'

const RESPONSE = { model: 'm', input: 'hi' }

/** What can be made: path, body, and the path of the object. */
const MAKES: readonly (readonly [path: string, body: unknown, object: string])[] = [
  ['/responses', RESPONSE, '/responses/ID'],
  ['/responses', { ...RESPONSE, stream: true }, '/responses/ID'],
  ['/responses', { ...RESPONSE, background: true }, '/responses/ID'],
  ['/responses', { ...RESPONSE, background: true, stream: true }, '/responses/ID'],
  ['/chat/completions', { model: 'm', messages: [], store: true }, '/chat/completions/ID'],
  ['/threads/thread_old/runs', {}, '/threads/thread_old/runs/ID'],
  ['/batches', { input_file_id: 'file-old' }, '/batches/ID'],
  ['/conversations', {}, '/conversations/ID'],
]

/** What can be done with an object: method, what follows its path, and a body. */
const LOOKS = [
  ['GET', ''],
  ['GET', '?stream=true&starting_after=1'],
  ['GET', '/input_items'],
  ['POST', '/cancel'],
  ['DELETE', ''],
  ['follow', ''],
] as const

const action = fc.record({
  isOther: fc.boolean(),
  /** Make, or look at one that was made. */
  make: fc.option(fc.nat(MAKES.length - 1), { freq: 2 }),
  which: fc.nat(),
  look: fc.constantFrom(...LOOKS, LOOKS[0], LOOKS[0]),
})

const actions = fc.array(
  fc.record({
    down: fc.constantFrom('none', 'none', 'none', 'a'),
    /** Done at the same time. */
    together: fc.array(action, { minLength: 1, maxLength: 4 }),
  }),
  { minLength: 5, maxLength: 14 },
)

type Rounds = typeof actions extends fc.Arbitrary<infer T> ? T : never
type Action = Rounds[number]['together'][number]

/** An object as its makers and lookers know it. */
interface Known {
  readonly id: string
  readonly isOther: boolean
  readonly path: string
  /** Its team has got all of its tokens in a response. */
  wasShown: boolean
}

/** Whether a response tells all tokens of the object of this id. */
function showsAll({ status, text }: Got, id: string): boolean {
  if (status !== 200 || !text.includes(`"${id}"`)) return false
  return /"(?:output|completion)_tokens":7/.test(text)
}

async function run(
  { ask, otherKey, first, relay }: StoredScene,
  known: Known[],
  rounds: Rounds,
): Promise<void> {
  const act = async ({ isOther, make, which, look }: Action) => {
    const key = isOther ? otherKey : relay.key
    const [method, rest] = look
    const object = known[which % Math.max(1, known.length)]
    if (make !== null || object === undefined) {
      const [path, body, at] = MAKES[make ?? 0] as (typeof MAKES)[number]
      const got = await ask('POST', path, body, key)
      if (got.status === 200)
        known.push({
          id: got.id,
          isOther,
          path: at.replace('ID', got.id),
          wasShown: showsAll(got, got.id),
        })
      return
    }
    const isOwn = object.isOther === isOther
    if (method === 'follow') {
      const got = await ask('POST', '/responses', { ...RESPONSE, previous_response_id: object.id }, key)
      if (!isOwn) assert.is(got.status, 400, `another team went on from ${object.id}`)
      if (got.status === 200)
        known.push({ id: got.id, isOther, path: `/responses/${got.id}`, wasShown: showsAll(got, got.id) })
      return
    }
    const got = await ask(method, `${object.path}${rest}`, method === 'POST' ? {} : undefined, key)
    if (isOwn) object.wasShown ||= showsAll(got, object.id)
    else {
      assert.is(got.status, 404, `another team sees ${object.id}`)
      assert.match(got.text, /not found|found with id/)
      assert.not.match(got.text, 'upstream')
    }
  }
  for (const { down, together } of rounds) {
    first.isDown = down === 'a'
    await Promise.all(together.map(act))
  }
  first.isDown = false
}

for (const isCompressed of [false, true])
  test(`whatever two teams do at two upstreams, each object is billed once to its team, and nobody sees the other ones: ${isCompressed ? 'compressed' : 'plain'} responses`, () =>
    withProviders(async (scene) => {
      const known: Known[] = []
      scene.first.isCompressed = isCompressed
      scene.second.isCompressed = isCompressed
      await fc.assert(
        fc.asyncProperty(actions, async (rounds) => {
          await run(scene, known, rounds)
        }),
        { numRuns: 25, endOnFailure: true },
      )
      scene.relay.app.flush()
      const asked = scene.relay.lines.filter((line) => 'end' in line).length
      const records = await scene.relay.records(asked)
      const billed = new Map<unknown, unknown[]>()
      for (const { prompt_tokens: prompt, team } of records)
        if (prompt !== null) billed.set(prompt, [...(billed.get(prompt) ?? []), team])
      let shown = 0
      for (const provider of [scene.first, scene.second])
        for (const { id, prompt } of provider.kept.values()) {
          const object = known.find((each) => each.id === id)
          const team = object?.isOther ? 'other' : 'team1'
          if (object?.wasShown) shown++
          assert.equal(billed.get(prompt) ?? [], object?.wasShown ? [team] : [], `the records with ${id}`)
          billed.delete(prompt)
        }
      assert.equal([...billed], [], 'tokens of no object')
      assert.ok(shown > 50, `${shown} objects were seen whole`)
      // Who has an object is asked for it, and nobody else.
      for (const [provider, others] of [
        [scene.first, /_b\d|-b\d/],
        [scene.second, /_a\d|-a\d/],
      ] as const)
        assert.equal(
          provider.asked.filter((path) => others.test(path)),
          [],
        )
      assert.ok(scene.second.kept.size > 5, 'some objects were made by a failover')
    }))

test.run()
