import { randomFrom } from '../random.js'
import { wait } from '../until.js'
import { Load } from './load.js'
import type { FrontProvider } from './provider.js'
import type { RelaySet, SetRelay } from './relay-set.js'
import { SoakJudge } from './soak-judge.js'

/** A front in a soak: whatever program it is. */
export interface SoakFront {
  readonly target: { readonly port: number; readonly host: string; readonly ca: string }
  /** Whether it has HTTP/2. Default: yes. */
  readonly http2?: boolean
  /** Whether it ends the requests of a relay that it finds frozen. Default: no. */
  readonly endsFrozen?: boolean
  /** Whether it ends an answer that was cut as if it were whole. Default: no. */
  readonly hidesCuts?: boolean
  reload(): void
  /** Writes the direct list again, with so many keys besides the one of the load. */
  rewriteList(others: number): void
  /** Whether the process is there. */
  readonly isRunning: boolean
}

export interface SoakOptions {
  readonly front: SoakFront
  readonly set: RelaySet
  readonly provider: FrontProvider
  readonly seconds: number
  readonly seed: number
  /** Longest pause between two faults. Default: 6 s. */
  readonly pauseMs?: number
  readonly say: (text: string) => void
}

/**
 * Random faults under a light load (about 20 requests a second), until the time is over. It says each minute what it
 * saw. @returns the judge; a run without `violations` lost nothing that a healthy way could have served
 */
export async function soak(options: SoakOptions): Promise<SoakJudge> {
  const { front, set, provider, seconds, seed, pauseMs = 6_000, say } = options
  const judge = new SoakJudge(provider, say)
  const random = randomFrom(seed)
  const load = new Load({
    ...front.target,
    ...(front.http2 === undefined ? {} : { http2: front.http2 }),
    key: set.key,
    seed,
    workers: 5,
    pauseMs: 150,
    cuts: 0.03,
    patienceMs: 45_000,
    onOutcome: (outcome, wasCut) => {
      const isHidden = front.hidesCuts === true && outcome.ended === 'false-whole'
      judge.judge(isHidden ? { ...outcome, ended: 'cut' } : outcome, wasCut)
    },
  })
  const end = performance.now() + seconds * 1_000
  let nextWord = performance.now() + 60_000
  const context: FaultContext = {
    front,
    set,
    judge,
    upTo: (ms) => wait(random() * ms),
    whileFrozen: (fault) => (front.endsFrozen === true ? judge.duringKill(fault) : fault()),
    relay: pick(set, random),
  }
  try {
    while (performance.now() < end) {
      const [name, fault] = FAULTS[Math.floor(random() * FAULTS.length)] as (typeof FAULTS)[number]
      judge.beginFault(name)
      await fault({ ...context, relay: pick(set, random) })
      judge.endFault()
      await wait(Math.min(200 + random() * pauseMs, Math.max(0, end - performance.now())))
      judge.checkArrivals()
      if (!front.isRunning) throw new Error('the front has ended')
      if (performance.now() < nextWord) continue
      nextWord += 60_000
      say(judge.describe())
    }
  } finally {
    await load.stop()
  }
  judge.checkArrivals(true)
  return judge
}

interface FaultContext {
  readonly front: SoakFront
  readonly set: RelaySet
  readonly judge: SoakJudge
  /** Waits for a random time. */
  readonly upTo: (ms: number) => Promise<void>
  /** Runs a fault in which a relay is frozen: the front may end what that relay had open. */
  readonly whileFrozen: (fault: () => Promise<void>) => Promise<void>
  /** The relay that it is about. */
  readonly relay: SetRelay
}

function pick(set: RelaySet, random: () => number): SetRelay {
  return set.relays[Math.floor(random() * set.relays.length)] as SetRelay
}

/** Each one ends with all relays up. */
const FAULTS: ReadonlyArray<readonly [string, (context: FaultContext) => Promise<void>]> = [
  [
    'kills',
    async ({ relay, judge, upTo }) => {
      await judge.duringKill(() => relay.kill())
      await upTo(4_000)
      await relay.start()
    },
  ],
  [
    'kills of both',
    async ({ set, judge, upTo }) => {
      await judge.duringKill(() => set.killAll())
      await upTo(4_000)
      await set.startAll()
    },
  ],
  [
    'freezes',
    async ({ relay, upTo, whileFrozen }) => {
      await whileFrozen(async () => {
        relay.freeze()
        await upTo(5_000)
        relay.thaw()
      })
    },
  ],
  [
    'freezes of both',
    async ({ set, upTo, whileFrozen }) => {
      await whileFrozen(async () => {
        for (const relay of set.relays) relay.freeze()
        await upTo(4_000)
        for (const relay of set.relays) relay.thaw()
      })
    },
  ],
  [
    'kills of a frozen one',
    async ({ relay, judge, upTo, whileFrozen }) => {
      await whileFrozen(async () => {
        relay.freeze()
        await upTo(2_000)
        await judge.duringKill(() => relay.kill())
      })
      await relay.start()
    },
  ],
  ['upgrades', async ({ relay }) => relay.upgrade()],
  ['reloads', async ({ front }) => front.reload()],
  ['list rewrites', async ({ front }) => front.rewriteList(50)],
]
