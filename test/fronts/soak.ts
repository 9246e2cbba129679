import { parseArgs } from 'node:util'
import { soakCaddy } from '../support/fronts/caddy-soak.js'
import { soakHaproxy } from '../support/fronts/haproxy-soak.js'
import { soakNginx } from '../support/fronts/nginx-soak.js'
import type { SoakJudge } from '../support/fronts/soak-judge.js'
import type { SoakOptions } from '../support/fronts/soak-run.js'

/**
 * Random faults for as long as one likes: `node dist/test/fronts/soak.js --front nginx --seconds 3600 --seed 7`. It says
 * each minute what it saw, and fails if anything was lost without need, sent twice, or looked whole and was not.
 */
const FRONTS: Readonly<
  Record<string, (options: Pick<SoakOptions, 'seconds' | 'seed' | 'say'>) => Promise<SoakJudge>>
> = {
  nginx: soakNginx,
  haproxy: soakHaproxy,
  caddy: soakCaddy,
}

const { values } = parseArgs({
  options: {
    front: { type: 'string', default: 'nginx' },
    seconds: { type: 'string', default: '3600' },
    seed: { type: 'string', default: '1' },
  },
})
const run = FRONTS[values.front]
if (run === undefined) {
  process.stderr.write(`--front: must be one of ${Object.keys(FRONTS).join(', ')}\n`)
  process.exit(2)
}
const began = Date.now()
const say = (text: string): void => {
  process.stdout.write(`${((Date.now() - began) / 60_000).toFixed(1)} min: ${text}`)
}
const judge = await run({ seconds: Number(values.seconds), seed: Number(values.seed), say })
say(judge.describe())
process.exit(judge.counts.violations === 0 ? 0 : 1)
