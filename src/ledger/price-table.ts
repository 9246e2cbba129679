/**
 * Prices of common models for a request of the standard tier. Two independent readings of the provider's prices agree
 * on each figure. Models are left out if their price depends on the hour (DeepSeek), is a temporary discount (Gemini
 * 3.6 to 3.8 Flash, GPT-5.6 Sol, Mistral Large 4), or differs between readings (Grok 4.5): no cost is better than a
 * wrong one.
 */

/** Date of the latest reading. Older models were last read from the end of August 2026 on. */
export const AS_OF = '2026-11-19'

/** US dollars for a million tokens. Without a figure, cached and written tokens cost as much as other input tokens. */
export type PerMillion = readonly [input: number, output: number, cached?: number, written?: number]

/** Models of one price. */
interface Models {
  /** Names of the models, separated by spaces and without dates: `gpt-4o-2024-08-06` has the price of `gpt-4o`. */
  readonly models: string
  readonly usd: PerMillion
  /** A prompt size in tokens, and the prices of all tokens of a request with a larger prompt. */
  readonly over?: readonly [prompt: number, input: number, output: number, cached?: number, written?: number]
}

/** A row of the table. */
export interface PriceRow extends Models {
  /** Whose models they are, as price files name it. */
  readonly provider: string
  /** US dollars for one web search; without a figure its cost is not known. */
  readonly search?: number
}

// OpenAI; cache writes are kept for thirty minutes.
const OPENAI: readonly Models[] = [
  { models: 'gpt-6.2-astra', usd: [8, 40, 0.4, 10], over: [272_000, 16, 60, 0.8, 20] },
  { models: 'gpt-6.2-sol gpt-6.1-sol', usd: [2, 10, 0.1, 2.5], over: [272_000, 4, 15, 0.2, 5] },
  { models: 'gpt-6.1-terra', usd: [1, 5, 0.05, 1.25], over: [272_000, 2, 7.5, 0.1, 2.5] },
  { models: 'gpt-6-astra', usd: [10, 50, 1, 12.5], over: [272_000, 20, 75, 2, 25] },
  { models: 'gpt-6-sol', usd: [2, 10, 0.2, 2.5], over: [272_000, 4, 15, 0.4, 5] },
  { models: 'gpt-6-luna', usd: [0.1, 0.5, 0.01, 0.125], over: [272_000, 0.2, 0.75, 0.02, 0.25] },
  { models: 'gpt-5.6-terra', usd: [2, 12, 0.2, 2.5], over: [272_000, 4, 18, 0.4, 5] },
  { models: 'gpt-5.6-luna', usd: [0.2, 1.2, 0.02, 0.25], over: [272_000, 0.4, 1.8, 0.04, 0.5] },
  { models: 'gpt-5.5', usd: [5, 30, 0.5], over: [272_000, 10, 45, 1] },
  { models: 'gpt-5.4', usd: [2.5, 15, 0.25], over: [272_000, 5, 22.5, 0.5] },
  { models: 'gpt-5.4-mini', usd: [0.75, 4.5, 0.075] },
  { models: 'gpt-5.4-nano', usd: [0.2, 1.25, 0.02] },
  { models: 'gpt-5.3-codex gpt-5.2 gpt-5.2-codex', usd: [1.75, 14, 0.175] },
  { models: 'gpt-5.1 gpt-5.1-codex gpt-5 gpt-5-codex', usd: [1.25, 10, 0.125] },
  { models: 'gpt-5-mini', usd: [0.25, 2, 0.025] },
  { models: 'gpt-5-nano', usd: [0.05, 0.4, 0.005] },
  { models: 'o3', usd: [2, 8, 0.5] },
  { models: 'o4-mini', usd: [1.1, 4.4, 0.275] },
  { models: 'gpt-4.1', usd: [2, 8, 0.5] },
  { models: 'gpt-4.1-mini', usd: [0.4, 1.6, 0.1] },
  { models: 'gpt-4.1-nano', usd: [0.1, 0.4, 0.025] },
  { models: 'gpt-4o', usd: [2.5, 10, 1.25] },
  // Did not become cheaper with the rest of its family.
  { models: 'gpt-4o-2024-05-13', usd: [5, 15] },
  { models: 'gpt-4o-mini', usd: [0.15, 0.6, 0.075] },
  { models: 'text-embedding-3-large', usd: [0.13, 0] },
  { models: 'text-embedding-3-small', usd: [0.02, 0] },
]

// Anthropic; cache writes are kept for five minutes.
const ANTHROPIC: readonly Models[] = [
  { models: 'claude-fable-5-2', usd: [8, 40, 0.2, 10] },
  { models: 'claude-fable-5-1', usd: [10, 50, 0.25, 12.5] },
  { models: 'claude-fable-5', usd: [10, 50, 1, 12.5] },
  { models: 'claude-opus-5-5', usd: [4, 20, 0.2, 5] },
  {
    models: 'claude-opus-5 claude-opus-4-8 claude-opus-4-7 claude-opus-4-6 claude-opus-4-5',
    usd: [5, 25, 0.5, 6.25],
  },
  { models: 'claude-opus-4-1', usd: [15, 75, 1.5, 18.75] },
  { models: 'claude-sonnet-5-5', usd: [2, 10, 0.1, 2.5] },
  { models: 'claude-sonnet-5', usd: [2, 10, 0.2, 2.5] },
  { models: 'claude-sonnet-4-6', usd: [3, 15, 0.3, 3.75] },
  { models: 'claude-sonnet-4-5', usd: [3, 15, 0.3, 3.75], over: [200_000, 6, 22.5, 0.6, 7.5] },
  { models: 'claude-haiku-5-5', usd: [0.1, 0.5, 0.01, 0.125], over: [100_000, 0.5, 2.5, 0.05, 0.625] },
  { models: 'claude-haiku-4-5', usd: [1, 5, 0.1, 1.25] },
]

// Google; text, images and video, not audio.
const GOOGLE: readonly Models[] = [
  { models: 'gemini-4-neon', usd: [3, 15, 0.15] },
  { models: 'gemini-4-hydrogen', usd: [1.5, 7.5, 0.075] },
  { models: 'gemini-3.5-flash', usd: [1.5, 9, 0.15] },
  { models: 'gemini-3.1-pro-preview', usd: [2, 12, 0.2], over: [200_000, 4, 18, 0.4] },
  { models: 'gemini-3.1-flash-lite', usd: [0.25, 1.5, 0.025] },
  { models: 'gemini-2.5-pro', usd: [1.25, 10, 0.125], over: [200_000, 2.5, 15, 0.25] },
  { models: 'gemini-2.5-flash', usd: [0.3, 2.5, 0.03] },
  { models: 'gemini-2.5-flash-lite', usd: [0.1, 0.4, 0.01] },
]

// xAI; the second tier includes a prompt of exactly 200,000 tokens.
const XAI: readonly Models[] = [
  { models: 'grok-4.7 grok-4.6', usd: [2, 6, 0.5], over: [199_999, 4, 12, 1] },
  { models: 'grok-4.3', usd: [1.25, 2.5, 0.2], over: [199_999, 2.5, 5, 0.4] },
]

// Mistral
const MISTRAL: readonly Models[] = [{ models: 'codestral-2508 codestral-latest', usd: [0.3, 0.9, 0.03] }]

/** The built-in prices. */
export const PRICE_TABLE: readonly PriceRow[] = [
  ...OPENAI.map((models) => ({ provider: 'openai', ...models })),
  ...ANTHROPIC.map((models) => ({ provider: 'anthropic', search: 0.01, ...models })),
  ...GOOGLE.map((models) => ({ provider: 'gemini', ...models })),
  ...XAI.map((models) => ({ provider: 'xai', ...models })),
  ...MISTRAL.map((models) => ({ provider: 'mistral', ...models })),
]
