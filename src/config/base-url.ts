import { PRESET_NAMES, PRESETS, type Preset } from '../api/presets.js'
import type { CloudAddress } from './cloud-config.js'
import type { UpstreamEntry } from './schema.js'

/** The base URL of an upstream in its two parts. */
export interface BaseUrl {
  /** Scheme, host and port: `https://api.openai.com`. */
  readonly origin: string
  /** Empty, or with a slash in front and none at the end: `/v1`. */
  readonly basePath: string
}

/**
 * Takes the base URL of an entry, or else its preset's.
 * @param address that the settings of a cloud make; null for none
 * @returns a sentence if something is wrong with it
 */
export function resolveBaseUrl(
  entry: UpstreamEntry,
  preset: Preset | null,
  address: CloudAddress | null = null,
): BaseUrl | string {
  const text = entry.baseUrl ?? address?.baseUrl ?? preset?.baseUrl ?? null
  if (text === null) {
    if (preset === null) return `is missing; give a URL, or a preset: ${PRESET_NAMES.join(', ')}`
    const example =
      entry.preset === 'azure' || entry.preset === 'azure-deployments'
        ? 'https://RESOURCE.openai.azure.com'
        : `http://HOST:PORT${preset.defaultPath}`
    return `is missing; the preset ${entry.preset} needs an address, such as ${example}`
  }
  const base = parseBaseUrl(text)
  if (typeof base === 'string' || preset === null) return base
  // Another host for the same paths, such as a private endpoint.
  if (base.basePath === '' && address !== null)
    return { ...base, basePath: trimSlashes(new URL(address.baseUrl).pathname) }
  if (base.basePath === '') return { ...base, basePath: preset.defaultPath }
  return entry.preset === 'azure' || entry.preset === 'azure-deployments'
    ? resolveAzurePath(base, entry.preset)
    : base
}

/**
 * Azure's own pages show URLs with a longer path: `/openai`, `/openai/v1/`, or a deployment's. Behind a gateway, the
 * path may be any other.
 */
function resolveAzurePath(base: BaseUrl, preset: 'azure' | 'azure-deployments'): BaseUrl | string {
  const path = base.basePath.toLowerCase()
  if (path !== '/openai' && !path.startsWith('/openai/')) return base
  const { defaultPath } = PRESETS[preset]
  if (path === '/openai' || path === defaultPath) return { ...base, basePath: defaultPath }
  const address = `give ${base.origin} alone, and the deployment as the model's name`
  if (path === '/openai/v1')
    return `is the address of Azure's v1 API; take the preset azure for it, or ${address}`
  return path.startsWith('/openai/deployments')
    ? `must not name a deployment; ${address}`
    : `must end before the path of an API; ${address}`
}

function parseBaseUrl(text: string): BaseUrl | string {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    return 'must be a URL with http:// or https://, such as https://api.openai.com/v1'
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'must begin with https:// or http://'
  if (url.username !== '' || url.password !== '') return 'must not hold a user or password; use apiKey'
  if (url.search !== '' || url.hash !== '') return 'must end with its path, with no ? or #; use query'
  return { origin: url.origin, basePath: trimSlashes(url.pathname) }
}

/**
 * The paths that a preset has behind another base path, as pairs of path and base path. There are none if the user
 * has given a base path of their own: nothing is known of a gateway's other paths.
 */
export function findOtherBasePaths(
  preset: Preset | null,
  basePath: string,
  address: CloudAddress | null = null,
): readonly (readonly [string, string])[] {
  if (address !== null)
    return basePath === trimSlashes(new URL(address.baseUrl).pathname) ? address.otherBasePaths : []
  if (preset === null) return []
  const usual = preset.baseUrl === null ? preset.defaultPath : new URL(preset.baseUrl).pathname
  return basePath === trimSlashes(usual) ? Object.entries(preset.elsewhere) : []
}

function trimSlashes(path: string): string {
  return path.replace(/\/+$/, '')
}
