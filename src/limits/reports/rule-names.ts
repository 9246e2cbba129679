/** Names of rules that are shown one by one. Each key may have rules of its own, with names of their own. */
const MAX_NAMES = 1_000

/** In place of all other names. */
export const OTHERS = '(others)'

/** The names of rules that metrics show: the first ones, so that their number is bounded. */
export class RuleNames {
  private readonly shown: Set<string>

  constructor() {
    this.shown = new Set()
  }

  /** @returns the name to show for a rule */
  show(name: string): string {
    if (this.shown.has(name)) return name
    if (this.shown.size >= MAX_NAMES) return OTHERS
    this.shown.add(name)
    return name
  }
}
