import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { HAS_NGINX } from '../support/fronts/nginx.js'
import { soakNginx } from '../support/fronts/nginx-soak.js'
import { SEED } from '../support/random.js'

const withNginx = HAS_NGINX ? test : test.skip

withNginx(
  'some random faults lose nothing that a healthy way can serve (an hour of it: soak.ts)',
  async () => {
    const say = (text: string): void => {
      process.stdout.write(text)
    }
    const judge = await soakNginx({ seconds: 12, seed: SEED, pauseMs: 1_000, say })
    say(judge.describe())
    assert.ok(judge.counts.requests > 0)
    assert.is(judge.counts.violations, 0)
  },
)

test.run()
