import { isObject, type JsonObject, readCount } from '../json/values.js'
import { readResponse } from '../metering/response-fields.js'
import { ResponseStats } from '../metering/response-stats.js'
import type { Usage, UsageDetails, UsagePass } from '../metering/usage.js'
import { PricesProblem } from './prices-common.js'

const TOKEN_FIELDS = {
  ...{ prompt: 'prompt_tokens', cached: 'cached_tokens', cacheWritten: 'cache_write_tokens' },
  ...{ completion: 'completion_tokens', reasoning: 'reasoning_tokens' },
} as const

const DETAIL_FIELDS = {
  ...{ cacheWrittenHour: 'cache_write_1h_tokens', searches: 'searches' },
  ...{ audioPrompt: 'audio_prompt_tokens', audioCompletion: 'audio_completion_tokens' },
  ...{ imagePrompt: 'image_prompt_tokens', imageCompletion: 'image_completion_tokens' },
} as const

/** Names that a usage may have here; a whole record has these and others. */
const RECORD_NAMES: ReadonlySet<string> = new Set([
  ...Object.values(TOKEN_FIELDS),
  ...Object.values(DETAIL_FIELDS),
  'service_tier',
  'passes',
])

/**
 * Reads a usage: by the names of a record's fields, or as a provider writes it, alone or within its whole response.
 * @throws PricesProblem
 */
export function parseUsage(text: string): Usage {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new PricesProblem('--usage is not JSON')
  }
  const isForeign =
    isObject(value) &&
    value.writer === undefined &&
    Object.keys(value).some((name) => !RECORD_NAMES.has(name))
  return isForeign ? readProviderUsage(value as JsonObject) : readUsage(value, '')
}

function readProviderUsage(value: JsonObject): Usage {
  for (const response of [value, { usage: value }, { usageMetadata: value }, { meta: value }]) {
    const stats = new ResponseStats()
    readResponse(response, stats)
    if (stats.usage !== null && stats.usage.prompt !== null) return stats.usage
  }
  throw new PricesProblem(
    '--usage has no number of prompt tokens: give the usage of a response as it is, or {"prompt_tokens": 1000}',
  )
}

function readUsage(value: unknown, path: string): Usage {
  if (!isObject(value))
    throw new PricesProblem(`--usage${path} must be an object, such as {"prompt_tokens": 1000}`)
  const count = (name: string): number | null => {
    const given = value[name] ?? null
    const read = readCount(given)
    if (given !== null && read === null)
      throw new PricesProblem(`--usage${path}.${name} must be a whole number`)
    return read
  }
  const counts = <T extends Readonly<Record<string, string>>>(fields: T) =>
    Object.fromEntries(Object.entries(fields).map(([key, name]) => [key, count(name)])) as Record<
      keyof T,
      number | null
    >
  const tier = value.service_tier ?? null
  if (tier !== null && typeof tier !== 'string')
    throw new PricesProblem(`--usage${path}.service_tier must be a text`)
  const details: UsageDetails = {
    ...counts(DETAIL_FIELDS),
    ...{ tier, costNano: null, passes: readPasses(value.passes ?? null, path) },
  }
  const known = Object.values(details).some((detail) => detail !== null)
  return { ...counts(TOKEN_FIELDS), details: known ? details : null }
}

function readPasses(value: unknown, path: string): UsagePass[] | null {
  if (value === null) return null
  if (path !== '' || !Array.isArray(value))
    throw new PricesProblem('--usage.passes must be a list of usages, each with a "model" of its own or none')
  return (value as unknown[]).map((pass, i) => {
    const model = isObject(pass) ? pass.model : null
    return { model: typeof model === 'string' ? model : null, usage: readUsage(pass, `.passes[${i}]`) }
  })
}
