import { hashKey } from '../../../src/access/key.js'
import { writeList } from './haproxy.js'
import { inHaproxyScene } from './haproxy-scene.js'
import type { SoakJudge } from './soak-judge.js'
import { type SoakOptions, soak } from './soak-run.js'

/** A soak of the recipe for HAProxy. */
export async function soakHaproxy(
  options: Pick<SoakOptions, 'seconds' | 'seed' | 'pauseMs' | 'say'>,
): Promise<SoakJudge> {
  let judge: SoakJudge | null = null
  await inHaproxyScene({ keepsArrivals: false }, async ({ haproxy, set, provider, key }) => {
    const front = {
      target: haproxy.target,
      http2: false,
      endsFrozen: true,
      reload: () => haproxy.front.reload(),
      rewriteList: (others: number) => {
        const further = Array.from({ length: others }, (_, n) => `lc_a_b_c${n}_${hashKey(`${n}`)}`)
        writeList(haproxy.listFolder, [{ key }, ...further.map((other) => ({ key: other }))])
        haproxy.front.reload()
      },
      get isRunning() {
        return haproxy.front.isRunning
      },
    }
    judge = await soak({ ...options, front, set, provider })
  })
  if (judge === null) throw new Error('the soak did not run')
  return judge
}
