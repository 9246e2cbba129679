import { describeUnknownUpstream } from './problems.js'
import type { ConfigFile } from './schema.js'
import type { Secrets } from './secrets.js'
import type { UpstreamConfig } from './upstreams.js'

/** Stands as the upstream in records of direct traffic, so no upstream may have this name. */
export const DIRECT_UPSTREAM = 'direct'

/** The direct way: a front proxy calls an upstream itself while no relay runs. */
export interface DirectConfig {
  /** Name of the upstream; null if the config does not say it and several could be meant, or none. */
  readonly upstream: string | null
  readonly budgetedKeys: boolean
  /** Seconds; null: a list is good for ever. */
  readonly maxAgeSeconds: number | null
}

/** Resolves the section `direct`. @param names of all entries of `upstreams` */
export function resolveDirect(
  { upstream, budgetedKeys, maxAgeSeconds }: ConfigFile['direct'],
  upstreams: readonly UpstreamConfig[],
  names: readonly string[],
  secrets: Secrets,
): DirectConfig {
  if (upstream !== undefined && !names.includes(upstream))
    secrets.report('direct.upstream', describeUnknownUpstream(upstream, names))
  if (names.includes(DIRECT_UPSTREAM))
    secrets.report(
      `upstreams.${DIRECT_UPSTREAM}`,
      'needs another name: in usage records, it stands for requests that a front sent past the relay',
    )
  return { upstream: upstream ?? findOpenAi(upstreams), budgetedKeys, maxAgeSeconds }
}

function findOpenAi(upstreams: readonly UpstreamConfig[]): string | null {
  const [first, ...others] = upstreams.filter(({ preset }) => preset === 'openai')
  return first === undefined || others.length > 0 ? null : first.name
}
