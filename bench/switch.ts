import { JsonMeter } from '../src/metering/json-meter.js'
import { StreamMeter } from '../src/metering/stream-meter.js'
import { Recorder } from '../src/server/recorder.js'
import { median } from './statistics.js'

// Loaded into Thinwire ahead of its own code, with which it then shares these classes: metering can be switched off,
// so that nothing is looked at as it passes and nothing is written down of it. What is left is the relay. It is switched
// within one process and every few milliseconds, as two processes differ by more than what is to be measured, each
// compiled in its own way, and so do two seconds of a machine that is shared.

/** What `alternate: false` is answered with. CPU for each piece in microseconds, at the median of the slices of time. */
export interface Alternated {
  readonly metered: number
  readonly unmetered: number
  /** Of a slice with metering to the one beside it without, at the median of all such pairs. */
  readonly ratio: number
}

/** Two events of each stream that has fifty in a second. */
const SLICE_MS = 40

/** A slice with less says nothing: there were no streams yet, or no longer. */
const LEAST_PIECES = 20

const { push } = StreamMeter.prototype
const { push: pushAnswer } = JsonMeter.prototype
const { add } = Recorder.prototype

let metering = true
let pieces = 0

StreamMeter.prototype.push = function (piece: Buffer): void {
  pieces++
  if (metering) push.call(this, piece)
}

JsonMeter.prototype.push = function (piece: Buffer): void {
  if (metering) pushAnswer.call(this, piece)
}

Recorder.prototype.add = function (...args: Parameters<Recorder['add']>): void {
  if (metering) add.apply(this, args)
}

let timer: NodeJS.Timeout | null = null
let usage = process.cpuUsage()
/** Of the slices since the last message, by turns with metering and without; NaN where there was too little. */
let slices: number[] = []

function turn(): void {
  const { user, system } = process.cpuUsage(usage)
  slices.push(pieces < LEAST_PIECES ? Number.NaN : (user + system) / pieces)
  metering = !metering
  pieces = 0
  usage = process.cpuUsage()
}

function alternated(): Alternated {
  const known = (values: number[]): number[] => values.filter((value) => !Number.isNaN(value))
  const pairs = slices.slice(1).map((slice, i) => {
    const before = slices[i] as number
    return i % 2 === 0 ? before / slice : slice / before
  })
  return {
    metered: median(known(slices.filter((_, i) => i % 2 === 0))),
    unmetered: median(known(slices.filter((_, i) => i % 2 === 1))),
    ratio: median(known(pairs)),
  }
}

process.on('message', (message) => {
  if (typeof message !== 'object' || message === null || !('alternate' in message)) return
  if (timer !== null) clearInterval(timer)
  timer = message.alternate === true ? setInterval(turn, SLICE_MS).unref() : null
  const answer = alternated()
  slices = []
  metering = true
  pieces = 0
  usage = process.cpuUsage()
  process.send?.(answer)
})
