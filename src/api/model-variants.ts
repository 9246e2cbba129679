/** A name that Cursor or a person made of a model's name by a suffix. */
export interface ModelVariant {
  /** The name without the suffix. */
  readonly base: string
  /** The effort that the suffix says; null if it says none. */
  readonly effort: string | null
}

/** The longest suffixes that Cursor appends: `-thinking`, `-thinking-high`, `-fast`, `-high-fast`. */
const SUFFIX = /-(?:thinking|fast|none|minimal|low|medium|high|xhigh|max)$/
/** `-thinking` says no effort: this is the middle of every model's levels. */
const THINKING_EFFORT = 'medium'
const EFFORTS = new Set(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'])

/**
 * The models that a name may be a variant of, the longest name first: `a-thinking-high` may be `a-thinking` or `a`.
 * A name that is a model itself is no variant: ask for that first.
 */
export function listVariants(name: string): ModelVariant[] {
  const variants: ModelVariant[] = []
  let base = name
  let effort: string | null = null
  let isThinking = false
  for (let found = SUFFIX.exec(base); found !== null && variants.length < 3; found = SUFFIX.exec(base)) {
    const suffix = found[0].slice(1)
    if (EFFORTS.has(suffix)) effort ??= suffix
    else if (suffix === 'thinking') isThinking = true
    base = base.slice(0, found.index)
    if (base === '') break
    variants.push({ base, effort: effort ?? (isThinking ? THINKING_EFFORT : null) })
  }
  return variants
}
