import * as assert from 'uvu/assert'
import type { Meter } from '../../src/metering/meter.js'
import type { ResponseStats } from '../../src/metering/response-stats.js'
import { fc } from '../support/property.js'
import type { Expected } from './streams.js'

export const MIB = 1024 * 1024

/**
 * A meter reads small chunks in batches, and is really cut only where a batch ends. `at once` asks for the stats
 * after every chunk, so that it reads each chunk by itself.
 */
export type Reading = 'in batches' | 'at once'
export const READINGS: readonly Reading[] = ['in batches', 'at once']
export const READING = fc.constantFrom(...READINGS)

/** In a batch, two small chunks are one: only what reads each by itself has to be cut at each byte. */
const STEP_IN_BATCH = 9

/** Where bytes are to be cut in two, for a meter that reads them so. */
export function cutsOf(bytes: Buffer, reading: Reading): number[] {
  const step = reading === 'in batches' ? STEP_IN_BATCH : 1
  return Array.from({ length: Math.ceil((bytes.length + 1) / step) }, (_, i) => i * step)
}

export function scan(
  meter: Meter,
  chunks: readonly Buffer[],
  reading: Reading = 'in batches',
): ResponseStats {
  for (const chunk of chunks) {
    const own = Buffer.from(chunk)
    meter.push(own)
    if (reading === 'in batches') continue
    meter.readStats()
    // Bytes that were read must not be needed once the chunk is gone.
    own.fill(0)
  }
  meter.end()
  return meter.readStats()
}

export function facts(stats: ResponseStats): Expected {
  const { events, deltas, textBytes, toolCalls, usage, finishReason, error, model, unparsed, ended } = stats
  assert.is(stats.firstTokenAt !== null, stats.deltas > 0 || stats.toolCalls > 0)
  const told = usage === null ? null : { ...usage }
  return {
    ...{ events, deltas, textBytes, toolCalls, usage: told, finishReason, error, model, unparsed, ended },
  } as unknown as Expected
}

export function expectation(expected: Expected): unknown {
  const none = {
    prompt: null,
    cached: null,
    cacheWritten: null,
    completion: null,
    reasoning: null,
    details: null,
  }
  return {
    deltas: 0,
    textBytes: 0,
    toolCalls: 0,
    finishReason: null,
    error: null,
    model: null,
    unparsed: 0,
    ended: false,
    ...expected,
    usage: expected.usage === undefined ? null : { ...none, ...expected.usage },
  }
}

/** Cuts bytes at these places, in any order; a place behind the end wraps around. */
export function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const cuts = [...new Set([0, ...places.map((place) => place % (bytes.length + 1)), bytes.length])].sort(
    (a, b) => a - b,
  )
  return cuts.slice(1).map((cut, i) => bytes.subarray(cuts[i], cut))
}
