import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { randomFrom, SEED } from '../support/random.js'
import { formatInput, readCorpus } from './corpus.js'
import { mutate } from './mutate.js'
import { TARGETS } from './targets.js'

/** Changed inputs for each target, beside those that are kept. `npm run fuzz` tries many more. */
const CHANGED = 150

for (const target of TARGETS) {
  const test = suite(`fuzz ${target.name}`)

  test('every kept input, and inputs that are made from them, keep the rules', async () => {
    const run = await target.open()
    const random = randomFrom(SEED)
    const known = [...readCorpus(target.name), ...target.seeds()]
    const changed = Array.from({ length: CHANGED }, () =>
      mutate(known[Math.floor(random() * known.length)] as Buffer, known, target.words, random),
    )
    try {
      for (const input of [...known, ...changed]) {
        try {
          await run.take(input)
        } catch (error) {
          assert.unreachable(`${formatInput(input).slice(0, 4_000)}: ${(error as Error).message}`)
        }
      }
    } finally {
      await run.close()
    }
  })

  test.run()
}
