import { z } from 'zod'
import { MOST_WORKERS } from './workers.js'

/** The setting `workers`. */
export const workers = z
  .union([z.int().min(1).max(MOST_WORKERS), z.literal('auto')], {
    error: `must be a number from 1 to ${MOST_WORKERS}, or "auto" for one on each core`,
  })
  .default(1)
  .describe(
    'Processes that serve requests at the same address, for more than one core can do. `auto`: as many as there are cores, or as the CPU quota of the container or service allows. A process that dies is replaced, and `thinwire restart` replaces all of them without a refused request.',
  )
