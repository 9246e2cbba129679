import { JsonMeter } from '../src/metering/json-meter.js'
import { StreamMeter } from '../src/metering/stream-meter.js'
import { Recorder } from '../src/server/recorder.js'
import { median } from './statistics.js'

// This module is loaded into Thinwire before its own code and changes its classes, so that metering and recording can
// be switched off. They are switched within one process and every few milliseconds: two processes differ by more than
// the measured cost, because each is compiled in its own way, and so do two seconds on a shared machine.

/** The reply to `alternate: false`. CPU time for each chunk in microseconds: the medians of the slices of time. */
export interface Alternated {
  readonly metered: number
  readonly unmetered: number
  /** Median ratio of a slice with metering to the next one without. */
  readonly ratio: number
}

/** Two events of each stream with fifty events a second. */
const SLICE_MS = 40

/** A slice with fewer chunks is not counted: the streams had not begun, or were over. */
const LEAST_CHUNKS = 20

const { push } = StreamMeter.prototype
const { push: pushJson } = JsonMeter.prototype
const { add } = Recorder.prototype

let metering = true
let chunks = 0

StreamMeter.prototype.push = function (chunk: Buffer): void {
  chunks++
  if (metering) push.call(this, chunk)
}

JsonMeter.prototype.push = function (chunk: Buffer): void {
  if (metering) pushJson.call(this, chunk)
}

Recorder.prototype.add = function (...args: Parameters<Recorder['add']>): void {
  if (metering) add.apply(this, args)
}

let timer: NodeJS.Timeout | null = null
let usage = process.cpuUsage()
/** CPU time per chunk of the slices since the last message, by turns with and without metering; NaN for too few. */
let slices: number[] = []

function turn(): void {
  const { user, system } = process.cpuUsage(usage)
  slices.push(chunks < LEAST_CHUNKS ? Number.NaN : (user + system) / chunks)
  metering = !metering
  chunks = 0
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
  const reply = alternated()
  slices = []
  metering = true
  chunks = 0
  usage = process.cpuUsage()
  process.send?.(reply)
})
