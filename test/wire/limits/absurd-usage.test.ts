import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { withRelay } from '../../support/scene.js'
import { type Script, whole } from '../../support/upstream.js'
import { chat, completion, expectBooks, limitsOf, outcomeOf, posting } from './limit-scene.js'

/** What upstreams report that nobody can have used: it ends no request, and the counters are what the records say. */

const reports =
  (prompt: string, tokens: string): Script =>
  (request) => {
    const body = completion(1, 2)
      .replace('"prompt_tokens":1', `"prompt_tokens":${prompt}`)
      .replace('"completion_tokens":2', `"completion_tokens":${tokens}`)
    return request.write(whole('200 OK', body, 'content-type: application/json'))
  }

const LIMITS = limitsOf({
  slow: { tokensPerMinute: 1 },
  all: { tokens: { month: Number.MAX_SAFE_INTEGER }, usd: { month: 1_000_000 } },
})

const MOST = String(Number.MAX_SAFE_INTEGER)

for (const [prompt, tokens, recorded] of [
  [MOST, MOST, null],
  [MOST, '1', null],
  ['9007199254740993', '1', null],
  ['1e308', '5', null],
  ['1e999', '5', null],
  ['1000000000001', '5', null],
  ['-5', '7', null],
  ['1.5', '2', null],
  ['"12"', '3', null],
  ['null', '3', null],
  ['1e12', '1e12', [1e12, 1e12]],
  ['0', '0', [0, 0]],
] as const) {
  test(`an upstream that reports ${prompt} tokens in and ${tokens} out`, () =>
    withRelay(
      reports(prompt, tokens),
      async (scene) => {
        const { relay } = scene
        const outcomes: string[] = []
        for (let n = 0; n < 3; n++) outcomes.push(outcomeOf(await scene.ask(posting(relay, chat()))))
        assert.is(outcomes[0], '200')
        // What comes next gets the time at which it can pass, however far away that is.
        const known = new Set(['200', '429 rate_limit_exceeded', '429 budget_exceeded'])
        assert.ok(
          outcomes.every((outcome) => known.has(outcome)),
          String(outcomes),
        )
        const [first] = await expectBooks(relay, 3)
        assert.is(first?.usage_source, recorded === null ? 'estimated' : 'upstream')
        if (recorded !== null) assert.equal([first?.prompt_tokens, first?.completion_tokens], recorded)
      },
      LIMITS,
    ))
}

test.run()
