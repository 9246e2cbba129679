import type { Profiler, Session } from 'node:inspector'
import { setTimeout as pause } from 'node:timers/promises'
import { VERSION } from '../version.js'

/** What stands beside the samples in a profile, as its member `thinwire`. */
interface ProfileFacts {
  readonly version: string
  readonly node: string
  /** How long was sampled. */
  readonly seconds: number
  /** Requests that were recorded in that time. */
  readonly requests: number
  /** Microseconds of CPU time of all threads in that time, that of the profiler included. */
  readonly cpu_us: number
}

/** Counts requests that are over. */
export interface RequestCounter {
  readonly requestCount: number
}

interface ProfileOptions {
  readonly seconds: number
  readonly counter: RequestCounter
  /** Called once samples are taken. */
  readonly onSampling: () => void
  /** Ends it at once, without a profile. */
  readonly stop: AbortSignal
}

/** Microseconds between two samples: V8's default. It takes 7 % of a busy thread's time, 500 take 12 % (PROFILE.md). */
const SAMPLE_US = 1_000

/** Samples of a profile at most. Those of a minute are fewer in a second: at its end all are read at once. */
const MOST_SAMPLES = 20_000

/** Members of a list that are formatted in one turn of the event loop. */
const SLICE = 500

/**
 * Takes a CPU profile of the main thread with V8's profiler. Its session is in that thread: on Node 20, one of another
 * thread (`connectToMainThread`) has aborted one process in four at its close.
 * @returns pieces of a `.cpuprofile`, to be asked for one a turn: names of functions, paths of files, and times. No
 * value of a variable is in it
 * @throws {Error} Node was built without an inspector, or `stop` was aborted
 */
export async function takeProfile(options: ProfileOptions): Promise<Generator<string>> {
  const { seconds, counter, onSampling, stop } = options
  // Loaded only where it is used.
  const { Session } = await import('node:inspector')
  const session = new Session()
  session.connect()
  try {
    const interval = Math.max(SAMPLE_US, Math.ceil((seconds * 1e6) / MOST_SAMPLES))
    session.post('Profiler.enable')
    session.post('Profiler.setSamplingInterval', { interval })
    await start(session)
    onSampling()
    const [startedAt, cpu, requests] = [performance.now(), process.cpuUsage(), counter.requestCount]
    await pause(seconds * 1_000, undefined, { signal: stop, ref: false })
    const { user, system } = process.cpuUsage(cpu)
    const facts = {
      version: VERSION,
      node: process.version,
      seconds: (performance.now() - startedAt) / 1_000,
      requests: counter.requestCount - requests,
      cpu_us: user + system,
    }
    return formatProfile(await end(session), facts)
  } finally {
    session.disconnect()
  }
}

function start(session: Session): Promise<void> {
  return new Promise((resolve, reject) =>
    session.post('Profiler.start', (error) => (error === null ? resolve() : reject(error))),
  )
}

function end(session: Session): Promise<Profiler.Profile> {
  return new Promise((resolve, reject) =>
    session.post('Profiler.stop', (error, { profile }) =>
      error === null ? resolve(profile) : reject(error),
    ),
  )
}

/** JSON of a profile in pieces: all of it at once would hold up requests. */
function* formatProfile(profile: Profiler.Profile, facts: ProfileFacts): Generator<string> {
  const { nodes, samples = [], timeDeltas = [], startTime, endTime } = profile
  yield `{"startTime":${startTime},"endTime":${endTime},"thinwire":${JSON.stringify(facts)},"nodes":[`
  yield* formatList(nodes)
  yield '],"samples":['
  yield* formatList(samples)
  yield '],"timeDeltas":['
  yield* formatList(timeDeltas)
  yield ']}\n'
}

function* formatList(list: readonly unknown[]): Generator<string> {
  for (let at = 0; at < list.length; at += SLICE) {
    const text = JSON.stringify(list.slice(at, at + SLICE)).slice(1, -1)
    yield at === 0 ? text : `,${text}`
  }
}
