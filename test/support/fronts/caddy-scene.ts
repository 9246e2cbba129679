import { CaddyFront } from './caddy.js'
import type { FrontRequest } from './front-client.js'
import { type FrontScene, type FrontSceneOptions, frontChat, openFrontScene } from './front-scene.js'
import type { RelaySet } from './relay-set.js'

/** Two relays behind Caddy, and one provider that both ways lead to. */
export type CaddyScene = Omit<FrontScene<CaddyFront>, 'proxy'> & { readonly caddy: CaddyFront }

export type CaddySceneOptions = FrontSceneOptions & {
  /** The direct list. Default: the key of the set alone. */
  readonly list?: (set: RelaySet) => string[]
}

/** Runs a test in such a scene, and ends all of it. */
export async function inCaddyScene(
  options: CaddySceneOptions,
  run: (scene: CaddyScene) => Promise<void>,
): Promise<void> {
  const { list = (set) => [set.key] } = options
  const { scene, close } = await openFrontScene(options, (place, set) => CaddyFront.start(place, list(set)))
  try {
    await run({ ...scene, caddy: scene.proxy })
  } finally {
    await close()
  }
}

/** A chat that is not streamed. @param more further members of its body */
export function caddyChat(
  { caddy, key }: CaddyScene,
  id: string,
  more?: Readonly<Record<string, unknown>>,
): FrontRequest {
  return frontChat(caddy, key, id, more)
}
