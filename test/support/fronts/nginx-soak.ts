import { hashKey } from '../../../src/access/key.js'
import { directList, replaceList } from './direct-list.js'
import { inNginxScene } from './nginx-scene.js'
import type { SoakJudge } from './soak-judge.js'
import { type SoakOptions, soak } from './soak-run.js'

/** A soak of the recipe for nginx. */
export async function soakNginx(
  options: Pick<SoakOptions, 'seconds' | 'seed' | 'pauseMs' | 'say'>,
): Promise<SoakJudge> {
  let judge: SoakJudge | null = null
  await inNginxScene({ keepsArrivals: false }, async ({ nginx, set, provider, key }) => {
    const front = {
      target: nginx.target,
      reload: () => nginx.front.reload(),
      rewriteList: (others: number) => {
        const further = Array.from({ length: others }, (_, n) => ({ key: `lc_a_b_c${n}_${hashKey(`${n}`)}` }))
        replaceList(nginx.listFile, directList([{ key }, ...further]))
      },
      get isRunning() {
        return nginx.front.isRunning
      },
    }
    judge = await soak({ ...options, front, set, provider })
  })
  if (judge === null) throw new Error('the soak did not run')
  return judge
}
