import type { ResponseFacts } from '../http/response-headers.js'
import { createDecoder, DecodingMeter } from './decoding-meter.js'
import { JsonMeter } from './json-meter.js'
import type { Meter } from './meter.js'
import { StreamMeter } from './stream-meter.js'

/**
 * Creates the meter for a response with this head. Only event streams and JSON are read.
 * @returns null for any other body, and for a content-coding that Node cannot decode
 */
export function createMeter(facts: Pick<ResponseFacts, 'eventStream' | 'json' | 'encoding'>): Meter | null {
  if (!facts.eventStream && !facts.json) return null
  const meter = facts.eventStream ? new StreamMeter() : new JsonMeter()
  if (facts.encoding === null) return meter
  const decoder = createDecoder(facts.encoding)
  return decoder === null ? null : new DecodingMeter(meter, decoder)
}
