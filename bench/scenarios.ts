import type { Scenario } from './scenario.js'
import { AGENT_PROMPT } from './scenarios/agent-prompt.js'
import { BURST } from './scenarios/burst.js'
import { BAD_KEYS, CHUNKS, STALLED } from './scenarios/chunks.js'
import { HITS, JOINS, MISSES } from './scenarios/completions.js'
import { CORES } from './scenarios/cores.js'
import { FIRST_BYTE, PROMPTS } from './scenarios/first-byte.js'
import { GROWTH } from './scenarios/growth.js'
import { IDLE } from './scenarios/idle.js'
import { LIMITS } from './scenarios/limits.js'
import { LOW_RATE } from './scenarios/low-rate.js'
import { MEMORY } from './scenarios/memory.js'
import { METERING } from './scenarios/metering.js'
import { PAGE } from './scenarios/page.js'
import { CONNECTS, REFUSALS, REQUESTS } from './scenarios/requests.js'
import { ROUTING } from './scenarios/routing.js'
import { STALLED_DISK } from './scenarios/stalled-disk.js'
import { START } from './scenarios/start.js'
import { TARGETS } from './scenarios/targets.js'
import { THROUGHPUT } from './scenarios/throughput.js'
import { TLS_UPSTREAM } from './scenarios/tls-upstream.js'
import { TRANSLATED } from './scenarios/translated.js'

export const SCENARIOS: readonly Scenario[] = [
  LOW_RATE,
  IDLE,
  FIRST_BYTE,
  PROMPTS,
  AGENT_PROMPT,
  CHUNKS,
  BURST,
  REQUESTS,
  CONNECTS,
  THROUGHPUT,
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
  CORES,
  PAGE,
  START,
  MEMORY,
  GROWTH,
  // Last, because its silence passes while the others run.
  TLS_UPSTREAM,
]
