import { hashKey } from '../../../src/access/key.js'
import { HIDES_CUTS, writeCaddyList } from './caddy.js'
import { inCaddyScene } from './caddy-scene.js'
import type { SoakJudge } from './soak-judge.js'
import { type SoakOptions, soak } from './soak-run.js'

/** A soak of the recipe for Caddy. */
export async function soakCaddy(
  options: Pick<SoakOptions, 'seconds' | 'seed' | 'pauseMs' | 'say'>,
): Promise<SoakJudge> {
  let judge: SoakJudge | null = null
  await inCaddyScene({ keepsArrivals: false }, async ({ caddy, set, provider, key }) => {
    const front = {
      target: caddy.target,
      hidesCuts: HIDES_CUTS,
      reload: () => void caddy.reload().catch(() => {}),
      rewriteList: (others: number) => {
        const further = Array.from({ length: others }, (_, n) => `lc_a_b_c${n}_${hashKey(`${n}`)}`)
        writeCaddyList(caddy.listFile, [key, ...further])
        void caddy.reload().catch(() => {})
      },
      get isRunning() {
        return caddy.front.isRunning
      },
    }
    judge = await soak({ ...options, front, set, provider })
  })
  if (judge === null) throw new Error('the soak did not run')
  return judge
}
