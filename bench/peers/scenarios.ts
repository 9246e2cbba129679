import type { Scenario, Stage } from '../scenario.js'
import { sized } from '../scenario.js'

/** The scenarios in which gateways are compared, as far as there are such. */
const COMPARED: readonly string[] = ['low-rate', 'agent-prompt', 'chunks', 'burst', 'requests']

/** Longest time that a gateway may take for one scenario: one that hangs must not stop the run. */
const PATIENCE_MS = 120_000

/** Time from the first event of the last stream to the reading. */
const SETTLE_MS = 300

/** Fewer streams than in `memory`, because some gateways need a second for a few dozen, or have no more connections. */
export const PEER_MEMORY: Scenario = {
  name: 'peer-memory',
  about: '400 open streams',
  baselines: null,
  fresh: true,
  loaded: null,
  rounds: { whole: 2, quick: 1, smoke: 1 },
  async measure({ driver, record, mode }, running) {
    if (running.name === 'direct') return
    const ask = { target: running, promptBytes: 2_000 }
    const streams = sized(mode, { whole: 400, quick: 400, smoke: 20 })
    // What a process needs once is no part of what its streams need.
    const plan = { json: 0, chunks: 1, every: 1, bytes: 200 }
    await driver.run('sequential', { ...ask, plan, streams: 100, pace: null })
    const atRest = await running.child.read()
    let held: Promise<number> | null = null
    await driver.run(
      'hold',
      { ...ask, plan: { json: 0, chunks: 1_000_000, every: 4_000, bytes: 200 }, streams },
      () => {
        held = new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
          .then(() => running.child.read())
          .then((reading) => reading.rssBytes)
        void held.then(() => driver.release())
      },
    )
    const rss = (await held) ?? Number.NaN
    record.add('peer-memory', 'rss', 'MiB', running.name, rss / 2 ** 20)
    record.add(
      'peer-memory',
      'rss_per_stream',
      'KiB',
      running.name,
      (rss - atRest.rssBytes) / streams / 1_024,
    )
  },
}

/** What went wrong, in a word, by gateway and scenario. */
export type Failures = Map<string, Map<string, string>>

/**
 * The scenarios of a comparison.
 * @param peers names of gateways, whose failures are noted and do not stop the run
 */
export function scenariosFor(
  all: readonly Scenario[],
  peers: readonly string[],
  failures: Failures,
): Scenario[] {
  const compared = [...all.filter(({ name }) => COMPARED.includes(name)), PEER_MEMORY]
  return compared.map((scenario) => forgiving(scenario, peers, failures))
}

function forgiving(scenario: Scenario, peers: readonly string[], failures: Failures): Scenario {
  return {
    ...scenario,
    measure: async (stage, running) => {
      const { name } = running
      if (!peers.includes(name)) return scenario.measure(stage, running)
      const failed = failures.get(name) ?? new Map<string, string>()
      failures.set(name, failed)
      if (failed.has(scenario.name)) return
      const word = await attempt(scenario, stage, running)
      if (word !== null) failed.set(scenario.name, word)
    },
  }
}

/** @returns what went wrong, or null */
async function attempt(
  scenario: Scenario,
  stage: Stage,
  running: Parameters<Scenario['measure']>[1],
): Promise<string | null> {
  let late = false
  // Its end is the end of all that waits for it.
  const timer = setTimeout(() => {
    late = true
    running.child.process.kill('SIGKILL')
  }, PATIENCE_MS)
  try {
    await scenario.measure(stage, running)
    return null
  } catch (error) {
    return late ? 'too slow' : wordOf(error)
  } finally {
    clearTimeout(timer)
  }
}

/** A failure in a word or two. */
export function wordOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  const status = /answered HTTP\/1\.[01] (\d{3})/.exec(text)?.[1]
  if (status !== undefined) return `refused (${status})`
  const wrong = Number(/(\d+) wrong answers/.exec(text)?.[1] ?? 0)
  if (wrong > 0) return 'errors'
  if (text.includes('wrong answers') || text.includes('never responded')) return 'no response'
  if (text.includes('ended at once')) return 'ended'
  if (text.includes('events came')) return 'events lost'
  if (text.includes('was closed') || text.includes('ECONN')) return 'closed'
  return 'failed'
}
