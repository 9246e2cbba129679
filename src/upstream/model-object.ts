/** A model as an upstream describes it, with a string as its `id`. */
export type ModelObject = Readonly<Record<string, unknown>>

/**
 * Parses an upstream's list of models: OpenAI's and Anthropic's form, `{"data": [{"id"}]}`, or an array alone. Google
 * writes `models/` in front of its names, which is removed.
 * @returns null if it has neither form
 */
export function parseModels(text: string): readonly ModelObject[] | null {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return null
  }
  const list = Array.isArray(parsed) ? parsed : (parsed as { data?: unknown } | null)?.data
  if (!Array.isArray(list)) return null
  const models: ModelObject[] = []
  for (const model of list as unknown[]) {
    const id = (model as { id?: unknown } | null)?.id
    if (typeof id === 'string' && id !== '')
      models.push({ ...(model as ModelObject), id: id.replace(/^models\//, '') })
  }
  return models
}

/** Builds a list with the fields that OpenAI's and Anthropic's clients read (API references, List Models). */
export function buildModelList(models: readonly ModelObject[]): ModelObject {
  return {
    object: 'list',
    data: models,
    has_more: false,
    first_id: models[0]?.id ?? null,
    last_id: models.at(-1)?.id ?? null,
  }
}

/**
 * Describes a model name that the config defines.
 * @param targets what it reaches, in the order in which they are tried: `upstream` or `upstream/model`
 */
export function describeAlias(name: string, targets: readonly string[]): ModelObject {
  return describeModel({ id: name, created: 0, targets }, 'thinwire')
}

/**
 * Describes a model as its upstream does, and adds the fields that clients of the other API need. An unknown time
 * becomes the epoch.
 */
export function describeModel(model: ModelObject, owner: string): ModelObject {
  const { id, created, created_at } = model
  const parsed = typeof created_at === 'string' ? Date.parse(created_at) : Number.NaN
  const seconds = typeof created === 'number' ? created : Number.isNaN(parsed) ? 0 : Math.floor(parsed / 1000)
  return {
    object: 'model',
    type: 'model',
    display_name: id,
    owned_by: owner,
    created_at: formatDate(seconds),
    ...model,
    created: seconds,
  }
}

/** RFC 3339, as Anthropic writes it. An upstream may send any number: one that is no date becomes the epoch. */
function formatDate(seconds: number): string {
  const date = new Date(seconds * 1000)
  return (Number.isNaN(date.getTime()) ? new Date(0) : date).toISOString().replace('.000Z', 'Z')
}
