import { availableParallelism } from 'node:os'
import { readCpuQuota } from './cpu-quota.js'

/** More processes than this would have other limits first: memory, and connections to the upstreams. */
export const MOST_WORKERS = 64

/** How many processes serve requests. `auto` is one on each core that this process may use. */
export function countWorkers(setting: number | 'auto', quota = readCpuQuota): number {
  if (setting !== 'auto') return setting
  // Two processes in the time of one and a half cores would only wait for each other.
  const allowed = Math.max(1, Math.floor(quota() ?? MOST_WORKERS))
  return Math.min(availableParallelism(), allowed, MOST_WORKERS)
}
