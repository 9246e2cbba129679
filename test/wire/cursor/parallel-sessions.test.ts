import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { BodyApi } from '../../../src/api/apis.js'
import { playSession, type SessionOptions } from '../../support/agent/play.js'
import { MODEL_NAMES, type Stage, startStage } from '../../support/agent/stage.js'
import { SEED } from '../../support/random.js'

const SHAPES: readonly BodyApi[] = ['chat', 'responses', 'messages']
const TURNS = 20

let stage: Stage

test.before(async () => {
  stage = await startStage(SEED, { ids: 'counted' })
})

test.after(() => stage.close())

/** Half of the sessions begin at the model whose call ids are alike in all conversations; all of them come to it. */
function listSessions(seed: number, keys: readonly string[]): SessionOptions[] {
  return keys.flatMap((key, team) =>
    Array.from({ length: 6 }, (_, n) => ({
      shape: SHAPES[n % 3] as BodyApi,
      model: n < 3 ? 'm-chat' : (MODEL_NAMES[(n + team) % MODEL_NAMES.length] ?? 'm-chat'),
      streamed: (n + team) % 2 === 0,
      turns: TURNS,
      seed: seed + team * 10 + n,
      // The chats of the teams begin alike, and those of one team do not.
      first: `rename foo${n}`,
      key,
    })),
  )
}

test('sessions of three teams at one time keep their calls and their thinking apart', async () => {
  const keys = [stage.relay.key, stage.relay.addKey('team2'), stage.relay.addKey('team3')]
  const sessions = listSessions(SEED * 1_000_000, keys)
  const reports = await Promise.all(sessions.map((options) => playSession(stage, options)))
  for (const report of reports) {
    assert.is(report.requests, TURNS)
    assert.ok(report.calls > TURNS / 3 && report.prefixes > TURNS / 8, JSON.stringify(report))
  }
})

test('sessions of one team that begin alike have their own thinking where anything tells them apart', async () => {
  const alike = await startStage(SEED, { ids: 'counted', alike: true })
  try {
    const sessions = listSessions(SEED * 1_000_000 + 100, [alike.relay.key])
    const reports = await Promise.all(
      sessions.map((options) => playSession(alike, { ...options, first: 'rename foo' })),
    )
    for (const report of reports) {
      assert.is(report.requests, TURNS)
      assert.ok(report.calls > TURNS / 3 && report.thinking > TURNS / 3, JSON.stringify(report))
    }
  } finally {
    await alike.close()
  }
})

test.run()
