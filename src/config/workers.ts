import { availableParallelism } from 'node:os'

/** More processes than this would have other limits first: memory, and connections to the upstreams. */
export const MOST_WORKERS = 64

/** How many processes serve requests. `auto` is one on each core that this process may use. */
export function countWorkers(setting: number | 'auto'): number {
  return setting === 'auto' ? Math.min(availableParallelism(), MOST_WORKERS) : setting
}
