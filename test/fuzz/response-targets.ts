import * as assert from 'uvu/assert'
import { JsonMeter } from '../../src/metering/json-meter.js'
import type { Meter } from '../../src/metering/meter.js'
import type { ResponseStats } from '../../src/metering/response-stats.js'
import { StreamMeter } from '../../src/metering/stream-meter.js'
import { EventReader } from '../../src/sse/event-reader.js'
import { cut } from './mutate.js'

/** However a stream is cut, its events are the same. */
export function takeEvents(input: Buffer): void {
  assert.equal(readEvents(cut(input)), readEvents([input]))
}

function readEvents(pieces: readonly Buffer[]): string[] {
  const events: string[] = []
  const reader = new EventReader({
    takeEvent: (name, data) => void events.push(`${name}|${data}`),
    takeComment: (text) => void events.push(text),
  })
  for (const piece of pieces) reader.push(piece)
  reader.end()
  return events
}

/** However a stream is cut, its meter says the same, and numbers that can be added up. */
export function takeMeteredStream(input: Buffer): void {
  compare(input, () => new StreamMeter())
}

/** The same of a body that is JSON. */
export function takeJsonBody(input: Buffer): void {
  compare(input, () => new JsonMeter())
}

/** Meters a stream once, for its time. */
export function meterStream(input: Buffer): void {
  read(new StreamMeter(), [input])
}

/** The same of a body that is JSON. */
export function meterJson(input: Buffer): void {
  read(new JsonMeter(), [input])
}

function compare(input: Buffer, create: () => Meter): void {
  const whole = read(create(), [input])
  const inPieces = read(create(), cut(input))
  assert.equal(inPieces, whole)
}

function read(meter: Meter, pieces: readonly Buffer[]): unknown {
  for (const piece of pieces) meter.push(piece)
  meter.end()
  const stats = meter.readStats()
  requireCounts(stats)
  const { events, deltas, textBytes, toolCalls, usage, finishReason, error, model, unparsed, ended } = stats
  const counts = { events, deltas, textBytes, toolCalls, unparsed, ended, estimate: stats.estimator.tokens }
  return { counts, usage: usage === null ? null : JSON.stringify(usage), finishReason, error, model }
}

/** Counts of tokens go into sums: they are whole, not negative, and exact. */
function requireCounts({ usage, deltas, textBytes, toolCalls, estimator }: ResponseStats): void {
  const counts = [deltas, textBytes, toolCalls]
  if (usage !== null)
    for (const value of Object.values(usage)) if (typeof value === 'number') counts.push(value)
  for (const count of counts)
    if (!Number.isSafeInteger(count) || count < 0)
      throw new Error(`${count} is no count: ${JSON.stringify(usage)}`)
  if (!Number.isFinite(estimator.tokens)) throw new Error(`the estimate is ${estimator.tokens}`)
}
