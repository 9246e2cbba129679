import type { ListedKey } from './direct-list.js'
import type { FrontRequest } from './front-client.js'
import { type FrontScene, type FrontSceneOptions, frontChat, openFrontScene } from './front-scene.js'
import { HaproxyFront, type HaproxyOptions } from './haproxy.js'
import type { RelaySet } from './relay-set.js'

/** Two relays behind HAProxy, and one provider that both ways lead to. */
export type HaproxyScene = Omit<FrontScene<HaproxyFront>, 'proxy'> & { readonly haproxy: HaproxyFront }

export type HaproxySceneOptions = Partial<HaproxyOptions> &
  FrontSceneOptions & {
    /** The direct list. Default: the key of the set alone. */
    readonly list?: (set: RelaySet) => ListedKey[]
  }

/** Runs a test in such a scene, and ends all of it. */
export async function inHaproxyScene(
  options: HaproxySceneOptions,
  run: (scene: HaproxyScene) => Promise<void>,
): Promise<void> {
  const { list = (set) => [{ key: set.key }] } = options
  const { scene, close } = await openFrontScene(options, (place, set) =>
    HaproxyFront.start({ ...place, ...options }, list(set)),
  )
  try {
    await run({ ...scene, haproxy: scene.proxy })
  } finally {
    await close()
  }
}

/** A chat that is not streamed. @param more further members of its body */
export function haproxyChat(
  { haproxy, key }: HaproxyScene,
  id: string,
  more?: Readonly<Record<string, unknown>>,
): FrontRequest {
  return frontChat(haproxy, key, id, more)
}
