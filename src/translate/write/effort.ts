import type { Conversation } from '../conversation.js'

/** From low to high, as OpenAI and Anthropic name them. */
const LEVELS: readonly string[] = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']

/**
 * The effort nearest to the wanted one; of two that are as near, the lower one, as it costs less.
 * @param offered from `ModelTraits.efforts`; null: the wanted one is taken
 * @returns null if none is wanted or offered, or if the wanted one is not a known level
 */
export function chooseEffort(wanted: string | null, offered: readonly string[] | null): string | null {
  if (wanted === null || offered === null || offered.includes(wanted)) return wanted
  const rank = LEVELS.indexOf(wanted)
  if (rank === -1) return null
  let nearest: string | null = null
  let least = Number.POSITIVE_INFINITY
  for (const level of [...offered].sort((a, b) => LEVELS.indexOf(a) - LEVELS.indexOf(b))) {
    const other = LEVELS.indexOf(level)
    if (other === -1 || Math.abs(other - rank) >= least) continue
    least = Math.abs(other - rank)
    nearest = level
  }
  return nearest
}

/**
 * The effort that the client wants: by the model's name, by the body, or by a budget of tokens for thinking.
 * @param named by the model's name
 */
export function readEffort({ effort, thinkingBudget }: Conversation, named: string | null): string | null {
  if (named !== null || effort !== null) return named ?? effort
  const budget = Number(thinkingBudget)
  if (thinkingBudget === null || !(budget > 0)) return null
  if (budget < 4096) return 'low'
  return budget < 16_384 ? 'medium' : 'high'
}
