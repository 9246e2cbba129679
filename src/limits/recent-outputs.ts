/** Answers that are remembered of each model, and models. */
const KEPT = 64
const MOST_MODELS = 500

/** Tokens of an answer before any of its model is known: more than most answers have, and not the most there can be. */
const USUAL = 1_000

/** Answers of one model: the last ones, in a ring. */
class ModelOutputs {
  private readonly tokens: Uint32Array
  private count: number
  /** The 95th percentile; null when an answer has come since. */
  private known: number | null

  constructor() {
    this.tokens = new Uint32Array(KEPT)
    this.count = 0
    this.known = null
  }

  add(tokens: number): void {
    this.tokens[this.count % KEPT] = tokens
    this.count++
    this.known = null
  }

  get p95(): number {
    if (this.known !== null) return this.known
    const kept = this.tokens.slice(0, Math.min(this.count, KEPT)).sort()
    this.known = kept[Math.ceil(kept.length * 0.95) - 1] ?? USUAL
    return this.known
  }
}

/** How long the answers of models have been of late, for estimates of those that have just begun. */
export class RecentOutputs {
  /** By the names that clients ask for, the one that answered last at the end. */
  private readonly models: Map<string, ModelOutputs>

  constructor() {
    this.models = new Map()
  }

  /** @param tokens of an answer, hidden reasoning included */
  add(model: string, tokens: number): void {
    let outputs = this.models.get(model)
    if (outputs === undefined) {
      if (this.models.size >= MOST_MODELS) this.forgetOldest()
      outputs = new ModelOutputs()
    } else this.models.delete(model)
    this.models.set(model, outputs)
    outputs.add(tokens)
  }

  /** Tokens that the next answer of a model has in 19 of 20 cases at most. */
  expect(model: string | null): number {
    return (model === null ? undefined : this.models.get(model))?.p95 ?? USUAL
  }

  private forgetOldest(): void {
    const [oldest] = this.models.keys()
    if (oldest !== undefined) this.models.delete(oldest)
  }
}
