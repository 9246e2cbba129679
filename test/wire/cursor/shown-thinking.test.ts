import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { BodyApi } from '../../../src/api/apis.js'
import { playSession } from '../../support/agent/play.js'
import { MODEL_NAMES, type Stage, startStage } from '../../support/agent/stage.js'
import { SEED } from '../../support/random.js'

const SHAPES: readonly BodyApi[] = ['chat', 'responses', 'messages']
const TURNS = 20

let seed = SEED * 100_000
for (const shown of ['think_tags', 'none'] as const) {
  let stage: Stage

  test(`a relay starts that shows thinking as: ${shown}`, async () => {
    stage = await startStage(SEED, { shown })
  })

  for (const shape of SHAPES) {
    for (const model of MODEL_NAMES) {
      seed++
      // Each shape and each model has both.
      const streamed = (SHAPES.indexOf(shape) + MODEL_NAMES.indexOf(model)) % 2 === 0
      const options = { shape, model, streamed, turns: TURNS, seed }
      test(`${shown}: an agent's session in ${shape} shape, with ${model}, ${streamed ? 'streamed' : 'whole'}`, async () => {
        const report = await playSession(stage, options)
        assert.is(report.requests, TURNS)
        assert.ok(report.calls > TURNS / 3 && report.prefixes > TURNS / 8, JSON.stringify(report))
      })
    }
  }

  test(`the relay stops that shows thinking as: ${shown}`, () => stage.close())
}

test.run()
