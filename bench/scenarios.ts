import type { Scenario } from './scenario.js'
import { BURST } from './scenarios/burst.js'
import { BAD_KEYS, CHUNKS, STALLED } from './scenarios/chunks.js'
import { HITS, JOINS, MISSES } from './scenarios/completions.js'
import { FIRST_BYTE, PROMPTS } from './scenarios/first-byte.js'
import { LIMITS } from './scenarios/limits.js'
import { MEMORY } from './scenarios/memory.js'
import { METERING } from './scenarios/metering.js'
import { CONNECTS, REFUSALS, REQUESTS } from './scenarios/requests.js'
import { ROUTING } from './scenarios/routing.js'
import { STALLED_DISK } from './scenarios/stalled-disk.js'
import { START } from './scenarios/start.js'
import { TARGETS } from './scenarios/targets.js'
import { TRANSLATED } from './scenarios/translated.js'

export const SCENARIOS: readonly Scenario[] = [
  FIRST_BYTE,
  PROMPTS,
  CHUNKS,
  REQUESTS,
  CONNECTS,
  BURST,
  STALLED,
  BAD_KEYS,
  // It uses a pipe, which works in this way only on Linux.
  ...(process.platform === 'linux' ? [STALLED_DISK] : []),
  REFUSALS,
  ROUTING,
  TARGETS,
  TRANSLATED,
  METERING,
  LIMITS,
  HITS,
  MISSES,
  JOINS,
  START,
  MEMORY,
]
