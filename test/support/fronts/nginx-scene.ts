import { chmodSync, readFileSync } from 'node:fs'
import { SEED } from '../random.js'
import { directList } from './direct-list.js'
import { assertCounts, describeRun, type FailoverReport, runUnderLoad } from './failover.js'
import type { FrontRequest } from './front-client.js'
import { type FrontScene, type FrontSceneOptions, frontChat, openFrontScene } from './front-scene.js'
import type { Load } from './load.js'
import { NginxFront, type NginxOptions } from './nginx.js'
import type { RelaySet } from './relay-set.js'

/** Two relays behind nginx, and one provider that both ways lead to. */
export type NginxScene = Omit<FrontScene<NginxFront>, 'proxy'> & { readonly nginx: NginxFront }

export type SceneOptions = Partial<NginxOptions> &
  FrontSceneOptions & {
    /** The direct list. Default: the key of the set alone. */
    readonly list?: (set: RelaySet) => string
  }

/** @returns the scene, and what ends all of it */
export async function openNginxScene(
  options: SceneOptions,
): Promise<{ scene: NginxScene; close: () => Promise<void> }> {
  const { list = (set) => directList([{ key: set.key }]) } = options
  const { scene, close } = await openFrontScene(options, (place, set) => {
    // nginx's workers run as another user where the test runs as root.
    chmodSync(place.folder, 0o755)
    return NginxFront.start({ ...place, ...options }, list(set))
  })
  return { scene: { ...scene, nginx: scene.proxy }, close }
}

/** Runs a test in such a scene, and ends all of it. The log of nginx is shown where the test fails. */
export async function inNginxScene(
  options: SceneOptions,
  run: (scene: NginxScene) => Promise<void>,
): Promise<void> {
  const { scene, close } = await openNginxScene(options)
  try {
    await run(scene)
  } catch (error) {
    process.stderr.write(readFileSync(scene.nginx.errorFile, 'utf8').slice(-4_000))
    throw error
  } finally {
    await close()
  }
}

/** A chat that is not streamed. @param more further members of its body */
export function chat(
  { nginx, key }: NginxScene,
  id: string,
  more?: Readonly<Record<string, unknown>>,
): FrontRequest {
  return frontChat(nginx, key, id, more)
}

/** Clients before, during and after a fault; what must hold for every fault is asserted. @param name for its record */
export async function runFault(
  { nginx, key, provider }: NginxScene,
  name: string,
  fault: (load: Load) => Promise<void>,
): Promise<FailoverReport> {
  const report = await runUnderLoad({ ...nginx.target, key, seed: SEED }, fault)
  process.stdout.write(describeRun(name, report))
  assertCounts(report.outcomes, provider)
  return report
}
