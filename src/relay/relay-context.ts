import type { Outcome } from '../exchange/outcome.js'
import type { BoundCounters } from '../lib/limit-counters.js'
import type { ByteBudget } from './byte-budget.js'

/** State that all requests of one relay share. */
export class RelayContext {
  /** How often each bound of the config was hit. */
  readonly bounds: BoundCounters
  /** Memory for request bodies and held responses of all clients together (`limits.bufferedBytes`). */
  readonly budget: ByteBudget
  /** The relay shuts down: every response is the last one of its connection. */
  draining: boolean
  /** Another process has taken over: connections end with their next response, and WebSockets when they are idle. */
  retiring: boolean

  constructor(bounds: BoundCounters, budget: ByteBudget) {
    this.bounds = bounds
    this.budget = budget
    this.draining = false
    this.retiring = false
  }
}

/** Counts the bound of the config that has ended an exchange, if one has. */
export function countEnd(
  { end, errorCode }: Pick<Outcome, 'end' | 'errorCode'>,
  bounds: Pick<BoundCounters, 'hit'>,
): void {
  if (end === 'upstream_idle') bounds.hit('idleMs')
  if (errorCode === 'answer_too_long') bounds.hit('transformBufferBytes')
  if (end === 'client_stalled') bounds.hit('clientStallMs')
}
