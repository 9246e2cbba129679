import type { Scenario } from './scenario.js'
import { BURST } from './scenarios/burst.js'
import { BAD_KEYS, CHUNKS, STALLED } from './scenarios/chunks.js'
import { FIRST_BYTE, PROMPTS } from './scenarios/first-byte.js'
import { MEMORY } from './scenarios/memory.js'
import { CONNECTS, REFUSALS, REQUESTS } from './scenarios/requests.js'
import { START } from './scenarios/start.js'

export const SCENARIOS: readonly Scenario[] = [
  FIRST_BYTE,
  PROMPTS,
  CHUNKS,
  REQUESTS,
  CONNECTS,
  BURST,
  STALLED,
  BAD_KEYS,
  REFUSALS,
  START,
  MEMORY,
]
