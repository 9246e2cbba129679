import { clear, open, type Place } from '../thinwire.js'
import type { Front, FrontPlace } from './front.js'
import type { FrontRequest } from './front-client.js'
import { FrontProvider } from './provider.js'
import { RelaySet } from './relay-set.js'

/** A front proxy of any kind. */
interface AnyFront {
  readonly front: Front
  readonly target: { readonly port: number; readonly host: string; readonly ca: string }
}

/** Two relays behind a front, and one provider that both ways lead to. */
export interface FrontScene<Proxy extends AnyFront> {
  readonly place: Place
  readonly provider: FrontProvider
  readonly set: RelaySet
  readonly proxy: Proxy
  readonly key: string
}

export interface FrontSceneOptions {
  /** Further settings of the relays. */
  readonly settings?: Readonly<Record<string, unknown>>
  /** Whether the relays are started. Default: yes. */
  readonly relays?: boolean
  /** The name in the provider's certificate. */
  readonly providerHost?: string
  /** Whether the provider keeps all arrivals. Default: yes. */
  readonly keepsArrivals?: boolean
}

/**
 * @param start starts the front
 * @returns the scene, and what ends all of it
 */
export async function openFrontScene<Proxy extends AnyFront>(
  options: FrontSceneOptions,
  start: (place: FrontPlace, set: RelaySet) => Promise<Proxy>,
): Promise<{ scene: FrontScene<Proxy>; close: () => Promise<void> }> {
  const { settings = {}, relays = true } = options
  const place = {} as Place
  open(place)
  const provider = await FrontProvider.start(options.providerHost, options.keepsArrivals)
  let proxy: Proxy | null = null
  const close = async (): Promise<void> => {
    await proxy?.front.kill()
    await clear(place)
    await provider.close()
  }
  try {
    const set = await RelaySet.prepare(place, { providerUrl: provider.url, settings })
    if (relays) await set.startAll()
    const { folder } = place
    const relayPorts = set.relays.map(({ port }) => port)
    const given = { folder, relayPorts, providerPort: provider.securePort }
    proxy = await start({ ...given, providerCa: provider.certificate.cert }, set)
    return { scene: { place, provider, set, proxy, key: set.key }, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** A chat that is not streamed. @param more further members of its body */
export function frontChat(
  { target }: AnyFront,
  key: string,
  id: string,
  more: Readonly<Record<string, unknown>> = {},
): FrontRequest {
  const messages = [{ role: 'user', content: 'Hi' }]
  return {
    ...target,
    id,
    stream: more.stream === true,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'gpt-5-mini', user: id, messages, ...more }),
  }
}
