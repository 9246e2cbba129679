import { chmodSync, readFileSync } from 'node:fs'
import { SEED } from '../random.js'
import { clear, open, type Place } from '../thinwire.js'
import { directList } from './direct-list.js'
import { assertCounts, describeRun, type FailoverReport, runUnderLoad } from './failover.js'
import type { FrontRequest } from './front-client.js'
import type { Load } from './load.js'
import { NginxFront, type NginxOptions } from './nginx.js'
import { FrontProvider } from './provider.js'
import { RelaySet } from './relay-set.js'

/** Two relays behind nginx, and one provider that both ways lead to. */
export interface NginxScene {
  readonly place: Place
  readonly provider: FrontProvider
  readonly set: RelaySet
  readonly nginx: NginxFront
  readonly key: string
}

export type SceneOptions = Partial<NginxOptions> & {
  /** Further settings of the relays. */
  readonly settings?: Readonly<Record<string, unknown>>
  /** Whether the relays are started. Default: yes. */
  readonly relays?: boolean
  /** The direct list. Default: the key of the set alone. */
  readonly list?: (set: RelaySet) => string
  /** The name in the provider's certificate. */
  readonly providerHost?: string
  /** Whether the provider keeps all arrivals. Default: yes. */
  readonly keepsArrivals?: boolean
}

/** @returns the scene, and what ends all of it */
export async function openNginxScene(
  options: SceneOptions,
): Promise<{ scene: NginxScene; close: () => Promise<void> }> {
  const { settings = {}, relays = true, list = (set) => directList([{ key: set.key }]) } = options
  const place = {} as Place
  open(place)
  // nginx's workers run as another user where the test runs as root.
  chmodSync(place.folder, 0o755)
  const provider = await FrontProvider.start(options.providerHost, options.keepsArrivals)
  let nginx: NginxFront | null = null
  const close = async (): Promise<void> => {
    await nginx?.front.kill()
    await clear(place)
    await provider.close()
  }
  try {
    const set = await RelaySet.prepare(place, { providerUrl: provider.url, settings })
    if (relays) await set.startAll()
    const providerCa = provider.certificate.cert
    const given = {
      relayPorts: set.relays.map(({ port }) => port),
      providerPort: provider.securePort,
      providerCa,
    }
    nginx = await NginxFront.start({ folder: place.folder, ...given, ...options }, list(set))
    return { scene: { place, provider, set, nginx, key: set.key }, close }
  } catch (error) {
    await close()
    throw error
  }
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
  scene: NginxScene,
  id: string,
  more: Readonly<Record<string, unknown>> = {},
): FrontRequest {
  return {
    ...scene.nginx.target,
    id,
    stream: more.stream === true,
    headers: { authorization: `Bearer ${scene.key}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'gpt-5-mini',
      user: id,
      messages: [{ role: 'user', content: 'Hi' }],
      ...more,
    }),
  }
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
