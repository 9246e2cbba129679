import type { Conversation, Json, ToolChoice } from '../conversation.js'
import type { TranslationTarget } from '../conversation-request.js'
import { chooseEffort, readEffort } from './effort.js'
import type { MessageBlocks } from './messages-blocks.js'
import type { RequestFields } from './request-fields.js'

/** Tokens for the answer where the client sets no limit: Messages requires one. */
const DEFAULT_ANSWER = 16_384
/** The least that Anthropic takes as a budget. */
const LEAST_BUDGET = 1024
const BUDGETS: Readonly<Record<string, number>> = {
  minimal: LEAST_BUDGET,
  low: 4096,
  medium: 8192,
  high: 16_384,
  xhigh: 32_768,
  max: 32_768,
}
/** The levels of `output_config.effort` that all models with it take. */
const EFFORTS: readonly string[] = ['low', 'medium', 'high', 'max']

/** How a Claude model is asked to think, and how much it may write. */
export interface ClaudeThinking {
  readonly maxTokens: Json
  /** Null: thinking is not mentioned. */
  readonly thinking: Json | null
  readonly effort: string | null
}

/**
 * Chooses the thinking and the limit of output tokens. Thinking is left off, and reported, where the API refuses it:
 * with a tool choice that excludes a call, with an answer that has begun, with a limit that leaves no room for it, and
 * with a budget in the middle of a turn of tool calls whose thinking is not known any more (Anthropic's guide "Extended
 * thinking").
 * @param wanted the client's effort
 */
export function chooseThinking(
  conversation: Conversation,
  { traits }: TranslationTarget,
  wanted: string | null,
  choice: ToolChoice | null,
  { knowsTurn, isPrefilled }: MessageBlocks,
  fields: RequestFields,
): ClaudeThinking {
  const limit = readLimit(conversation, fields)
  const isForced = choice !== null && choice.kind !== 'auto' && choice.kind !== 'none'
  const excludes = isPrefilled || (isForced && !(choice.kind === 'allowed' && choice.mode === 'auto'))
  const off = {
    maxTokens: formatLimit(conversation, limit, traits.maxOutputTokens, 0),
    thinking: null,
    effort: null,
  }
  const given = conversation.thinkingBudget
  if ((wanted === null && given === null) || wanted === 'none') return off
  if (traits.thinking === 'adaptive') {
    const effort = chooseEffort(readEffort(conversation, wanted), traits.efforts ?? EFFORTS)
    if (effort === null) fields.drop('reasoning_effort')
    if (excludes) fields.drop('thinking')
    return { ...off, thinking: excludes ? null : formatAdaptive(fields), effort }
  }
  // Of an unknown model, only the client can know that it thinks.
  const isUnable = traits.thinking === 'none' || (traits.thinking === null && given === null)
  const budget = isUnable ? null : chooseBudget(given, wanted)
  const most = traits.maxOutputTokens ?? Number.POSITIVE_INFINITY
  const room = Math.min(limit ?? most, most)
  if (budget === null || excludes || !knowsTurn || room < 2 * LEAST_BUDGET) {
    fields.drop('reasoning_effort')
    return off
  }
  const fits = budget < room
  const used = fits ? budget : Math.floor(room / 2)
  const text = fits && given !== null && wanted === null ? given : String(used)
  const tokens = fields.accepts('thinking.budget_tokens', 'thinking') ? `,"budget_tokens":${text}` : ''
  return {
    maxTokens: formatLimit(conversation, limit, traits.maxOutputTokens, used),
    thinking: `{"type":"enabled"${tokens}}`,
    effort: null,
  }
}

function formatAdaptive(fields: RequestFields): Json {
  const display = fields.accepts('thinking.display', 'thinking') ? ',"display":"summarized"' : ''
  return `{"type":"adaptive"${display}}`
}

/** The client's limit; null if it set none. */
function readLimit({ maxTokens }: Conversation, fields: RequestFields): number | null {
  if (maxTokens === null) return null
  const limit = Number(maxTokens)
  if (Number.isInteger(limit) && limit > 0) return limit
  fields.drop('max_tokens')
  return null
}

function formatLimit(
  { maxTokens }: Conversation,
  limit: number | null,
  most: number | null,
  budget: number,
): Json {
  const bound = most ?? Number.POSITIVE_INFINITY
  if (limit === null) return String(Math.min(bound, budget + DEFAULT_ANSWER))
  return limit > bound ? String(bound) : (maxTokens as Json)
}

function chooseBudget(given: Json | null, wanted: string | null): number | null {
  if (wanted !== null) return BUDGETS[wanted] ?? null
  const budget = Number(given)
  return Number.isInteger(budget) && budget > 0 ? Math.max(LEAST_BUDGET, budget) : null
}
