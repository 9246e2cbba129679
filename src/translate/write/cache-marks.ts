import type { Json } from '../conversation.js'

/** A part of a Messages request that may have a mark of the prompt cache. */
export interface Markable {
  /** The JSON object without its mark. */
  readonly json: Json
  /** Its `cache_control`; null if it has none. */
  cache: Json | null
  /** Thinking takes no mark. */
  readonly takesMark: boolean
}

/** More are refused (Anthropic's guide "Prompt caching"). */
const MOST_MARKS = 4
const MARK = '{"type":"ephemeral"}'

/** The block with its mark. */
export function formatMarked({ json, cache }: Markable): Json {
  return cache === null ? json : `${json.slice(0, -1)}${json === '{}' ? '' : ','}"cache_control":${cache}}`
}

/**
 * Sets the marks up to which Anthropic caches the prompt: at the end of the system, of the tools, and of the last two
 * turns of the user. The last turn is read from the cache by the next request, and the turn before it by this one. The
 * client's own marks stay, and count: there may be four in all.
 * @param turns the blocks of each message of the user's
 * @param replies the blocks of all messages of the assistant's
 */
export function setCacheMarks(
  tools: readonly Markable[],
  system: readonly Markable[],
  turns: readonly (readonly Markable[])[],
  replies: readonly Markable[],
): void {
  const marked = [...tools, ...system, ...replies, ...turns.flat()].filter(({ cache }) => cache !== null)
  // Those of the user's last turns reach farthest.
  for (const block of marked.slice(0, -MOST_MARKS)) block.cache = null
  // A mark with a longer life must not stand behind one with a shorter life, and the client knows why it set it.
  if (marked.some(({ cache }) => cache?.includes('ttl') === true)) return
  let left = MOST_MARKS - marked.length
  for (const blocks of [turns.at(-1), system, tools, turns.at(-2)]) {
    const last = blocks?.findLast(({ takesMark }) => takesMark)
    if (left <= 0 || last === undefined || last.cache !== null) continue
    last.cache = MARK
    left--
  }
}
