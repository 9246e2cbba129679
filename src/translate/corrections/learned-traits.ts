import type { ModelTraits } from '../../api/model-traits.js'
import { type Correction, correctTraits } from './correction.js'

/** Pairs of a target and a model of which something is remembered. The one that was learned first goes first. */
const PAIRS_MAX = 1_000
/** Corrections of one pair: more than there are fields to refuse, so it is only a bound. */
const CORRECTIONS_MAX = 32
/** Longer names are not remembered: no upstream has such a model. */
const NAME_MAX = 300

/** In milliseconds. What an upstream refuses for an hour, for a wrong path in its config say, it may take later. */
const AGE_MAX = 60 * 60 * 1000

const NOTHING: readonly Correction[] = []

/** The corrections of one pair. */
interface Learned {
  readonly corrections: readonly Correction[]
  /** When the first of them was learned. */
  readonly since: number
}

/**
 * What upstreams have said of their models in errors: the next request is right at once. All that was learned of a pair
 * is forgotten an hour after its first correction, and learned again if it is still true, at the price of one refused
 * request. Bounded in number, as clients choose the names of models.
 */
export class LearnedTraits {
  private readonly byPair: Map<string, Learned>
  private readonly now: () => number

  /** @param now the clock, in milliseconds */
  constructor(now: () => number = () => performance.now()) {
    this.byPair = new Map()
    this.now = now
  }

  /** The traits with all that was learned. The same object if nothing was. */
  apply(traits: ModelTraits, target: string, model: string): ModelTraits {
    let corrected = traits
    for (const correction of this.list(target, model))
      corrected = { ...corrected, ...correctTraits(corrected, correction) }
    return corrected
  }

  /**
   * Remembers a correction.
   * @returns false if nothing is new about it: a second try of the request would fail likewise
   */
  learn(target: string, model: string, correction: Correction): boolean {
    if (target.length > NAME_MAX || model.length > NAME_MAX) return false
    const known = this.list(target, model)
    if (known.length >= CORRECTIONS_MAX || isKnown(known, correction)) return false
    const key = keyOf(target, model)
    if (!this.byPair.has(key) && this.byPair.size >= PAIRS_MAX) {
      const [oldest] = this.byPair.keys()
      if (oldest !== undefined) this.byPair.delete(oldest)
    }
    const since = known.length === 0 ? this.now() : (this.byPair.get(key)?.since ?? this.now())
    this.byPair.set(key, { corrections: [...known, correction], since })
    return true
  }

  /** What was learned, in its order. */
  list(target: string, model: string): readonly Correction[] {
    if (this.byPair.size === 0) return NOTHING
    const key = keyOf(target, model)
    const learned = this.byPair.get(key)
    if (learned === undefined) return NOTHING
    if (this.now() - learned.since < AGE_MAX) return learned.corrections
    this.byPair.delete(key)
    return NOTHING
  }
}

function keyOf(target: string, model: string): string {
  return `${target}\n${model}`
}

/**
 * An API or a limit that was corrected once is not corrected again: two errors that contradict each other end there.
 */
function isKnown(known: readonly Correction[], correction: Correction): boolean {
  if (correction.kind === 'together') {
    const pair = correction.fields.join(' ')
    return known.some((each) => each.kind === 'together' && each.fields.join(' ') === pair)
  }
  if (correction.kind !== 'drop') return known.some(({ kind }) => kind === correction.kind)
  return correction.fields.every((field) =>
    known.some((each) => each.kind === 'drop' && each.fields.includes(field)),
  )
}
