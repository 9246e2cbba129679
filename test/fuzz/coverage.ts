import { type Profiler, Session } from 'node:inspector'

/** Only the relay's own code counts. */
const OWN = /\/dist\/src\//

/** Tells which blocks of the relay's code have run, by the engine's own counters. */
export class Coverage {
  private readonly session: Session
  private readonly seen: Set<string>

  constructor() {
    this.session = new Session()
    this.seen = new Set()
    this.session.connect()
    this.session.post('Profiler.enable')
    this.session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  /** Counts the blocks that have run for the first time since the last call. */
  takeNew(): number {
    let count = 0
    // The engine calls back before `post` returns.
    this.session.post('Profiler.takePreciseCoverage', (error, { result }) => {
      if (error !== null) throw error
      for (const script of result) if (OWN.test(script.url)) count += this.add(script)
    })
    return count
  }

  /** Forgets what was seen, so that the inputs that are needed to see it can be chosen again. */
  forget(): void {
    this.takeNew()
    this.seen.clear()
  }

  close(): void {
    this.session.disconnect()
  }

  private add({ scriptId, functions }: Profiler.ScriptCoverage): number {
    const before = this.seen.size
    for (const { ranges } of functions)
      for (const { startOffset, endOffset, count } of ranges)
        if (count > 0) this.seen.add(`${scriptId}:${startOffset}:${endOffset}`)
    return this.seen.size - before
  }
}
