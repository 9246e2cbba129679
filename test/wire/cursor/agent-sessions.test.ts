import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { BodyApi } from '../../../src/api/apis.js'
import { playSession, type SessionReport } from '../../support/agent/play.js'
import { MODEL_NAMES, type Stage, startStage } from '../../support/agent/stage.js'
import { SEED } from '../../support/random.js'

const SHAPES: readonly BodyApi[] = ['chat', 'responses', 'messages']

let stage: Stage

test.before(async () => {
  stage = await startStage(SEED)
})

test.after(() => stage.close())

const reports: SessionReport[] = []

let seed = SEED * 100
for (const shape of SHAPES) {
  for (const model of MODEL_NAMES) {
    for (const streamed of [true, false]) {
      seed++
      const turns = model === 'm-adaptive' ? 16 : 20
      const options = { shape, model, streamed, turns, seed }
      test(`an agent's session in ${shape} shape, with ${model}, ${streamed ? 'streamed' : 'whole'}`, async () => {
        const report = await playSession(stage, options)
        reports.push(report)
        assert.is(report.requests, turns)
        assert.ok(report.calls > turns / 3 && report.prefixes > turns / 8, JSON.stringify(report))
      })
    }
  }
}

test('the sessions had edits, stops, cuts, errors and switches of the model', () => {
  const total = (name: keyof SessionReport): number => reports.reduce((sum, each) => sum + each[name], 0)
  for (const name of ['edits', 'stops', 'cuts', 'errors', 'switches'] as const)
    assert.ok(total(name) > 10, name)
  assert.ok(total('thinking') > total('requests') / 2)
  assert.ok(total('prefixes') > total('requests') / 2)
})

test.run()
