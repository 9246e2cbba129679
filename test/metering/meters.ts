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
  const { firstTokenAt, nonTextFacts, usage, estimator, usageIsPartial, skipEstimate, object, ...rest } =
    stats
  assert.is(firstTokenAt !== null, stats.deltas > 0 || stats.toolCalls > 0)
  return { ...rest, usage: usage === null ? null : { ...usage } } as unknown as Expected
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
