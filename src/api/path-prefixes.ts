interface Prefix {
  readonly text: string
  /** It is left out only in front of what this matches, as it begins paths of an API as well. Null: always. */
  readonly ahead: RegExp | null
}

/**
 * What people type in front of a path. Clients append their path to a base URL, and many people take the URL of a
 * provider and replace the host alone. No path of an API begins like this, so that each prefix can be left out, however
 * many there are and in whatever order.
 */
const PREFIXES: readonly Prefix[] = [
  { text: '/v1', ahead: null },
  { text: '/cursor', ahead: null },
  // DeepSeek, Moonshot and MiniMax; Fireworks; Alibaba; Cohere; DeepSeek's completions.
  { text: '/anthropic', ahead: null },
  { text: '/inference/v1', ahead: null },
  { text: '/compatible-mode/v1', ahead: null },
  { text: '/compatibility/v1', ahead: null },
  { text: '/beta', ahead: null },
  // Z.ai.
  { text: '/api/paas/v4', ahead: null },
  { text: '/api/coding/paas/v4', ahead: null },
  // Azure, Groq, and Gemini's compatible API (`/v1beta/openai`). Azure's older API names a deployment below it.
  { text: '/openai', ahead: /^(?!\/deployments(?:\/|$))/ },
  // OpenRouter and Open WebUI. Ollama has its own API below it.
  {
    text: '/api',
    ahead:
      /^\/(?:(?:v1|v1beta|openai|anthropic|api|cursor|chat\/completions|messages|responses)(?:\/|$)|(?:completions|models)$)/,
  },
  // Gemini. Its lists and files are not those of OpenAI's paths.
  {
    text: '/v1beta',
    ahead: /^\/(?:v1|v1beta|openai|anthropic|api|cursor)(?:\/|$)|^\/models\/.+(?::|%3a)\w+$/i,
  },
]

/** The prefixes by the code of their first letter: most paths begin with none of these letters. */
const BY_LETTER: ReadonlyMap<number, readonly Prefix[]> = new Map(
  PREFIXES.map(({ text }) => text.charCodeAt(1)).map((letter) => [
    letter,
    PREFIXES.filter(({ text }) => text.charCodeAt(1) === letter),
  ]),
)

/** A path without what was typed in front of it. */
export interface EvenedPath {
  readonly path: string
  /** The path is below `/cursor`. */
  readonly cursor: boolean
  /** The prefix that stood right before the path, `/cursor` aside; empty for none. */
  readonly last: string
}

/**
 * Leaves out what people type in front of a path.
 * @param path without empty segments
 */
export function removePrefixes(path: string): EvenedPath {
  let cursor = false
  let last = ''
  let at = 0
  for (;;) {
    const prefix = findPrefix(path, at)
    if (prefix === null) break
    if (prefix === '/cursor') cursor = true
    else last = prefix
    at += prefix.length
  }
  return { path: at === path.length ? '/' : path.slice(at), cursor, last }
}

/** @returns null if there is no prefix at `at` */
function findPrefix(path: string, at: number): string | null {
  for (const { text, ahead } of BY_LETTER.get(path.charCodeAt(at + 1)) ?? NO_PREFIXES) {
    const end = at + text.length
    if (!path.startsWith(text, at) || (end !== path.length && path.charCodeAt(end) !== SLASH)) continue
    if (ahead === null || ahead.test(path.slice(end))) return text
  }
  return null
}

const NO_PREFIXES: readonly Prefix[] = []
const SLASH = 0x2f
