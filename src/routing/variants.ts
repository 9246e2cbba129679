/** A name by which Cursor asks for a variant of a model. */
export interface Variant {
  /** The model itself. */
  readonly name: string
  /** Null if the variant's name does not say one. */
  readonly effort: string | null
}

/** Effort levels as they stand at the end of a name. */
const EFFORTS = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']

/** `-thinking` asks for thinking, and says no effort: this is the middle of every model's levels. */
const THINKING_EFFORT = 'medium'

const SUFFIX = new RegExp(`^(.+)-(thinking|fast|${EFFORTS.join('|')})$`)

/** `NAME-thinking-high-fast` has the most suffixes that Cursor puts together. */
const MOST_SUFFIXES = 3

/**
 * Finds the model behind the name of a variant (`team-coder-thinking`, `team-coder-high`, `team-coder-fast`): Cursor
 * adds these suffixes to names in its model list, and asks for the result.
 * @param isModel whether a name is a model's; a name that is one is no variant
 * @returns null if the name is a model's own, or there is no model behind it
 */
export function findVariant(name: string, isModel: (name: string) => boolean): Variant | null {
  if (isModel(name)) return null
  let rest = name
  let effort: string | null = null
  let isThinking = false
  for (let n = 0; n < MOST_SUFFIXES; n++) {
    const [, base, suffix] = SUFFIX.exec(rest) ?? []
    if (base === undefined || suffix === undefined) return null
    if (suffix === 'thinking') isThinking = true
    else if (suffix !== 'fast') effort ??= suffix
    if (isModel(base)) return { name: base, effort: effort ?? (isThinking ? THINKING_EFFORT : null) }
    rest = base
  }
  return null
}
