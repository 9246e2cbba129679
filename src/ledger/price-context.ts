import { PRESETS, type PresetName } from '../api/presets.js'

/** What is known of an upstream that decides which prices its models have. */
export interface PriceContext {
  /** Names of its provider in price files, before the model: `azure/eu`, `azure`. The likeliest first. */
  readonly providers: readonly string[]
  /** Whether a price of another provider applies. Not to a local server: it may call its model `gpt-4o`. */
  readonly takesOthers: boolean
  /** The region of the host that data stays in, for which some providers charge more. */
  readonly region: string | null
}

/** An upstream as the config has it. */
export interface PricedUpstream {
  readonly name: string
  readonly preset: PresetName | null
  /** `https://api.openai.com`. */
  readonly origin: string
  /** As the config says it; null if it does not. */
  readonly priceProvider: string | null
}

/** For requests without an upstream. */
export const NO_CONTEXT: PriceContext = { providers: [], takesOthers: true, region: null }

/** Clouds without a preset, by their hosts, with their names in price files. `$1` is the region. */
const HOSTS: readonly (readonly [RegExp, readonly string[]])[] = [
  [/^bedrock(?:-runtime|-mantle)?\.([a-z0-9-]+)\.(?:amazonaws\.com|api\.aws)$/, ['bedrock/$1', 'bedrock']],
  [/^(?:[a-z0-9-]+-)?aiplatform(?:\.[a-z0-9-]+\.rep)?\.googleapis\.com$/, ['vertex_ai']],
  [/\.(?:openai|cognitiveservices)\.azure\.com$/, ['azure']],
  [/\.(?:services\.ai|models\.ai)\.azure\.com$/, ['azure_ai', 'azure']],
]

const REGIONAL_OPENAI = /^([a-z]{2})\.api\.openai\.com$/

/** Presets by their address. A local address says nothing: anything may listen there. */
const PRESET_OF_ORIGIN = new Map(
  Object.values(PRESETS).flatMap(({ baseUrl, priceProviders, takesOtherPrices }) =>
    baseUrl?.startsWith('https:') !== true
      ? []
      : [[new URL(baseUrl).origin, { priceProviders, takesOtherPrices }] as const],
  ),
)

/** Finds how price files name the models of an upstream: by its config, its preset, or else its host. */
export function findPriceContext({ preset, origin, priceProvider }: PricedUpstream): PriceContext {
  const host = new URL(origin).hostname
  const region = REGIONAL_OPENAI.exec(host)?.[1] ?? null
  const found = preset === null ? PRESET_OF_ORIGIN.get(origin) : PRESETS[preset]
  const known = found?.priceProviders ?? (region === null ? findHost(host) : ['openai'])
  // The rest of `azure/eu/...` is looked for below `azure`.
  const said = priceProvider === null ? [] : listParents(priceProvider)
  const providers = [...new Set([...said, ...known])]
  return { providers, takesOthers: found?.takesOtherPrices ?? true, region }
}

function findHost(host: string): readonly string[] {
  for (const [pattern, names] of HOSTS) {
    const match = pattern.exec(host)
    if (match !== null) return names.map((name) => name.replace('$1', match[1] ?? ''))
  }
  return []
}

/** `azure/eu` and `azure`. */
function listParents(name: string): string[] {
  const parts = name.split('/')
  return parts.map((_, i) => parts.slice(0, parts.length - i).join('/'))
}

/** Providers of the entries of LiteLLM's file beside those of the presets: makers of models, and clouds. */
const OTHER_PROVIDERS = [
  ...['bedrock', 'vertex_ai', 'azure_ai', 'cohere', 'perplexity', 'cerebras', 'deepinfra', 'sambanova'],
  ...['databricks', 'watsonx', 'replicate', 'volcengine', 'nebius', 'nscale', 'novita', 'hyperbolic'],
  ...[
    'meta_llama',
    'friendliai',
    'github_copilot',
    'oci',
    'snowflake',
    'ai21',
    'text-completion',
    'codestral',
  ],
]

const PROVIDERS = new Set([
  ...Object.values(PRESETS).flatMap(({ priceProviders }) => priceProviders),
  ...OTHER_PROVIDERS,
])

/** Whether an entry is of a provider: its `litellm_provider` may say more, such as `vertex_ai-language-models`. */
export function isOfProvider(said: string, provider: string): boolean {
  if (!said.startsWith(provider)) return false
  return said.length === provider.length || said[provider.length] === '-' || said[provider.length] === '_'
}

/** The provider that an entry names; null if it names none that is known, as an entry of the operator does. */
export function readProvider(said: unknown): string | null {
  if (typeof said !== 'string') return null
  for (const provider of PROVIDERS) if (isOfProvider(said, provider)) return said
  return null
}
