import { median } from './statistics.js'

// Two ways are taken by turns within one process and every few milliseconds: two processes differ by more than the
// measured cost, because each is compiled in its own way, and so do two seconds on a shared machine.

/** The reply to `alternate: false`. CPU time for each unit of work in microseconds: the medians of the slices of time. */
export interface Alternated {
  readonly on: number
  readonly off: number
  /** Median ratio of a slice with it on to the next one with it off. */
  readonly ratio: number
}

/** Two events of each stream with fifty events a second. */
const SLICE_MS = 40

/** A slice with less work is not counted: it had not begun, or was over. */
const LEAST_WORK = 20

/** What is switched on and off by turns, on messages of the parent process. It is on but for every second slice. */
export class Alternation {
  isOn: boolean
  /** Chunks or requests of this slice. */
  work: number
  private timer: NodeJS.Timeout | null
  private usage: NodeJS.CpuUsage
  /** CPU time per unit of work of the slices since the last message, by turns on and off; NaN for too few. */
  private slices: number[]

  constructor() {
    this.isOn = true
    this.work = 0
    this.timer = null
    this.usage = process.cpuUsage()
    this.slices = []
    process.on('message', (message) => {
      if (typeof message === 'object' && message !== null && 'alternate' in message)
        this.answer(message.alternate === true)
    })
  }

  private answer(begins: boolean): void {
    if (this.timer !== null) clearInterval(this.timer)
    this.timer = begins ? setInterval(() => this.turn(), SLICE_MS).unref() : null
    const reply = this.summarize()
    this.slices = []
    this.isOn = true
    this.work = 0
    this.usage = process.cpuUsage()
    process.send?.(reply)
  }

  private turn(): void {
    const { user, system } = process.cpuUsage(this.usage)
    this.slices.push(this.work < LEAST_WORK ? Number.NaN : (user + system) / this.work)
    this.isOn = !this.isOn
    this.work = 0
    this.usage = process.cpuUsage()
  }

  private summarize(): Alternated {
    const known = (values: number[]): number[] => values.filter((value) => !Number.isNaN(value))
    const pairs = this.slices.slice(1).map((slice, i) => {
      const before = this.slices[i] as number
      return i % 2 === 0 ? before / slice : slice / before
    })
    return {
      on: median(known(this.slices.filter((_, i) => i % 2 === 0))),
      off: median(known(this.slices.filter((_, i) => i % 2 === 1))),
      ratio: median(known(pairs)),
    }
  }
}
