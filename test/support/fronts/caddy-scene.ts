import { clear, open, type Place } from '../thinwire.js'
import { CaddyFront } from './caddy.js'
import type { FrontRequest } from './front-client.js'
import { FrontProvider } from './provider.js'
import { RelaySet } from './relay-set.js'

/** Two relays behind Caddy, and one provider that both ways lead to. */
export interface CaddyScene {
  readonly place: Place
  readonly provider: FrontProvider
  readonly set: RelaySet
  readonly caddy: CaddyFront
  readonly key: string
}

export interface CaddySceneOptions {
  /** Further settings of the relays. */
  readonly settings?: Readonly<Record<string, unknown>>
  /** Whether the relays are started. Default: yes. */
  readonly relays?: boolean
  /** The direct list. Default: the key of the set alone. */
  readonly list?: (set: RelaySet) => string[]
  /** The name in the provider's certificate. */
  readonly providerHost?: string
  readonly keepsArrivals?: boolean
}

/** Runs a test in such a scene, and ends all of it. */
export async function inCaddyScene(
  options: CaddySceneOptions,
  run: (scene: CaddyScene) => Promise<void>,
): Promise<void> {
  const { settings = {}, relays = true, list = (set) => [set.key] } = options
  const place = {} as Place
  open(place)
  const provider = await FrontProvider.start(options.providerHost, options.keepsArrivals)
  let caddy: CaddyFront | null = null
  try {
    const set = await RelaySet.prepare(place, { providerUrl: provider.url, settings })
    if (relays) await set.startAll()
    const given = {
      folder: place.folder,
      relayPorts: set.relays.map(({ port }) => port),
      providerPort: provider.securePort,
      providerCa: provider.certificate.cert,
    }
    caddy = await CaddyFront.start(given, list(set))
    await run({ place, provider, set, caddy, key: set.key })
  } finally {
    await caddy?.front.kill()
    await clear(place)
    await provider.close()
  }
}

/** A chat. @param more further members of its body */
export function caddyChat(
  scene: CaddyScene,
  id: string,
  more: Readonly<Record<string, unknown>> = {},
): FrontRequest {
  const messages = [{ role: 'user', content: 'Hi' }]
  return {
    ...scene.caddy.target,
    id,
    stream: more.stream === true,
    headers: { authorization: `Bearer ${scene.key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'gpt-5-mini', user: id, messages, ...more }),
  }
}
