import { clear, open, type Place } from '../thinwire.js'
import type { ListedKey } from './direct-list.js'
import type { FrontRequest } from './front-client.js'
import { HaproxyFront, type HaproxyOptions } from './haproxy.js'
import { FrontProvider } from './provider.js'
import { RelaySet } from './relay-set.js'

/** Two relays behind HAProxy, and one provider that both ways lead to. */
export interface HaproxyScene {
  readonly place: Place
  readonly provider: FrontProvider
  readonly set: RelaySet
  readonly haproxy: HaproxyFront
  readonly key: string
}

export type HaproxySceneOptions = Partial<HaproxyOptions> & {
  /** Further settings of the relays. */
  readonly settings?: Readonly<Record<string, unknown>>
  /** Whether the relays are started. Default: yes. */
  readonly relays?: boolean
  /** The direct list. Default: the key of the set alone. */
  readonly list?: (set: RelaySet) => ListedKey[]
  /** The name in the provider's certificate. */
  readonly providerHost?: string
  readonly keepsArrivals?: boolean
}

/** Runs a test in such a scene, and ends all of it. */
export async function inHaproxyScene(
  options: HaproxySceneOptions,
  run: (scene: HaproxyScene) => Promise<void>,
): Promise<void> {
  const { settings = {}, relays = true, list = (set) => [{ key: set.key }] } = options
  const place = {} as Place
  open(place)
  const provider = await FrontProvider.start(options.providerHost, options.keepsArrivals)
  let haproxy: HaproxyFront | null = null
  try {
    const set = await RelaySet.prepare(place, { providerUrl: provider.url, settings })
    if (relays) await set.startAll()
    const given = {
      folder: place.folder,
      relayPorts: set.relays.map(({ port }) => port),
      providerPort: provider.securePort,
      providerCa: provider.certificate.cert,
    }
    haproxy = await HaproxyFront.start({ ...given, ...options }, list(set))
    await run({ place, provider, set, haproxy, key: set.key })
  } finally {
    await haproxy?.front.kill()
    await clear(place)
    await provider.close()
  }
}

/** A chat. @param more further members of its body */
export function haproxyChat(
  scene: HaproxyScene,
  id: string,
  more: Readonly<Record<string, unknown>> = {},
): FrontRequest {
  const messages = [{ role: 'user', content: 'Hi' }]
  return {
    ...scene.haproxy.target,
    id,
    stream: more.stream === true,
    headers: { authorization: `Bearer ${scene.key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'gpt-5-mini', user: id, messages, ...more }),
  }
}
