/** Answers that are remembered of each model, and models. */
const KEPT = 64
const MOST_MODELS = 500

/** Tokens of an answer before any of its model is known: more than most answers have, and not the most there can be. */
const USUAL = 1_000

/** Answers of one model: the last ones, in a ring, and by size. */
class ModelOutputs {
  private readonly tokens: Uint32Array
  /** Kept in order: sorting them for each request would take longer than all else that limits do. */
  private readonly sorted: Uint32Array
  private count: number
  private size: number

  constructor() {
    this.tokens = new Uint32Array(KEPT)
    this.sorted = new Uint32Array(KEPT)
    this.count = 0
    this.size = 0
  }

  add(tokens: number): void {
    const at = this.count % KEPT
    if (this.size === KEPT) this.remove(this.tokens[at] as number)
    this.tokens[at] = tokens
    this.insert(this.tokens[at] as number)
    this.count++
  }

  /** The 95th percentile. */
  get p95(): number {
    return this.sorted[Math.ceil(this.size * 0.95) - 1] ?? USUAL
  }

  private insert(tokens: number): void {
    let at = this.size
    for (; at > 0 && (this.sorted[at - 1] as number) > tokens; at--)
      this.sorted[at] = this.sorted[at - 1] as number
    this.sorted[at] = tokens
    this.size++
  }

  private remove(tokens: number): void {
    this.size--
    for (let at = this.sorted.indexOf(tokens); at < this.size; at++)
      this.sorted[at] = this.sorted[at + 1] as number
  }
}

/** How long the last answers of each model were: what the next one is expected to have. */
export class RecentOutputs {
  /** By the names that clients ask for, the one that answered last at the end. */
  private readonly models: Map<string, ModelOutputs>
  private last: string | null

  constructor() {
    this.models = new Map()
    this.last = null
  }

  /** @param tokens of an answer, hidden reasoning included */
  add(model: string, tokens: number): void {
    let outputs = this.models.get(model)
    if (outputs === undefined) {
      if (this.models.size >= MOST_MODELS) this.forgetOldest()
      outputs = new ModelOutputs()
      this.models.set(model, outputs)
    } else if (model !== this.last) {
      this.models.delete(model)
      this.models.set(model, outputs)
    }
    this.last = model
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
