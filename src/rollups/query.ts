import type { Dimension } from './shapes.js'

/** Epoch milliseconds; `to` is not included. */
export interface TimeRange {
  readonly from: number
  readonly to: number
}

/** Of each dimension that is given: one of these names. The name of what is unknown is empty. */
export type Filter = Readonly<Partial<Record<Dimension, readonly string[]>>>

/** What is asked for. What the holder of a key asks for has this key in its filter. */
export interface RollupQuery {
  readonly range: TimeRange
  readonly filter: Filter
}
