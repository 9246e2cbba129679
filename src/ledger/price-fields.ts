/** What a request is billed for, each at a rate of its own. The order is that of the numbers in a `RateCard`. */
export const KINDS = [
  ...(['input', 'cacheRead', 'cacheWrite', 'cacheWriteHour', 'audioInput', 'imageInput'] as const),
  ...(['output', 'reasoning', 'audioOutput', 'imageOutput'] as const),
  ...(['request', 'search'] as const),
] as const

/** One of `KINDS`. */
export type Kind = (typeof KINDS)[number]

/** What the name of a field in a price file says: `input_cost_per_token_above_200k_tokens_priority`. */
export interface RateField {
  readonly kind: Kind
  /** The rate is for prompts with more tokens than this. */
  readonly above: number
  /** The service tier that the rate is for; empty for the standard one. */
  readonly service: string
}

/** The names of fields without a prompt size and a service tier. */
const STEMS: Readonly<Record<string, Kind>> = {
  input_cost_per_token: 'input',
  output_cost_per_token: 'output',
  cache_read_input_token_cost: 'cacheRead',
  cache_creation_input_token_cost: 'cacheWrite',
  cache_creation_input_token_cost_above_1hr: 'cacheWriteHour',
  output_cost_per_reasoning_token: 'reasoning',
  input_cost_per_audio_token: 'audioInput',
  output_cost_per_audio_token: 'audioOutput',
  input_cost_per_image_token: 'imageInput',
  output_cost_per_image_token: 'imageOutput',
  input_cost_per_request: 'request',
  // The former name; `cache_read_input_token_cost` stands beside it in most entries.
  input_cost_per_token_cache_hit: 'cacheRead',
}

/** The longest first: one may be the beginning of another. */
const STEM_NAMES = Object.keys(STEMS).sort((a, b) => b.length - a.length)

const ABOVE = /_above_(\d{1,12})(k?)_tokens/
const SERVICE = /^_([a-z]{1,20})$/

/** Most names that are remembered. A file of LiteLLM has about a hundred that are not rates, and fewer that are. */
const MAX_KNOWN = 2_000
const known = new Map<string, RateField | null>()

/**
 * Reads the name of a field of a price file.
 * @returns null if it is not the rate of anything that a response reports
 */
export function parseRateField(name: string): RateField | null {
  const before = known.get(name)
  if (before !== undefined) return before
  const field = parse(name)
  if (known.size >= MAX_KNOWN) known.clear()
  known.set(name, field)
  return field
}

/** The prompt size and the tier stand in either order. */
function parse(name: string): RateField | null {
  const stem = STEM_NAMES.find((one) => name === one || name.startsWith(`${one}_`))
  const kind = stem === undefined ? undefined : STEMS[stem]
  if (stem === undefined || kind === undefined) return null
  let rest = name.slice(stem.length)
  const [size = '', count = '0', thousand = ''] = ABOVE.exec(rest) ?? []
  rest = rest.replace(size, '')
  const above = Number(count) * (thousand === 'k' ? 1_000 : 1)
  if (rest === '') return { kind, above, service: '' }
  // The size may also stand before the duration.
  if (rest === '_above_1hr' && kind === 'cacheWrite') return { kind: 'cacheWriteHour', above, service: '' }
  const service = SERVICE.exec(rest)?.[1]
  return service === undefined ? null : { kind, above, service }
}

/** The name under which a kind stands in a price file; null for searches, which have a member of their own. */
export function nameRateField(kind: Kind): string {
  return STEM_NAMES.find((name) => STEMS[name] === kind && !name.endsWith('_cache_hit')) ?? SEARCH_FIELD
}

/** Rates of one search by the size of its context. */
export const SEARCH_FIELD = 'search_context_cost_per_query'
