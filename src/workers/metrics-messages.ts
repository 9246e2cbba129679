import type { SentMetric } from './merged-metrics.js'

/** What the primary says on the topic `metrics`. */
export type ToMetricsWorker =
  | { readonly kind: 'scrape'; readonly scrape: number }
  | { readonly kind: 'profile'; readonly profile: number; readonly seconds: number }
  /** The next piece of a profile is wanted. */
  | { readonly kind: 'more'; readonly profile: number }
  /** It is not wanted any more. */
  | { readonly kind: 'stop'; readonly profile: number }

/** What a worker says. */
export type ToMetricsPrimary =
  /** @see SentMetric; `scrape` is 0 for what was sent unasked */
  | { readonly kind: 'figures'; readonly scrape: number; readonly metrics: readonly SentMetric[] }
  | { readonly kind: 'sampling'; readonly profile: number }
  | { readonly kind: 'piece'; readonly profile: number; readonly text: string }
  | { readonly kind: 'end'; readonly profile: number }
  | { readonly kind: 'failed'; readonly profile: number; readonly code: string }
