import type { ResponseFacts } from '../http/response-headers.js'
import { createDecoder, DecodingMeter } from './decoding-meter.js'
import { JsonMeter } from './json-meter.js'
import type { Meter } from './meter.js'
import { StreamMeter } from './stream-meter.js'

/**
 * What looks at an answer with this head. Event streams and JSON are looked at; of anything else, and of what is
 * compressed in a way that is not known here, only the bytes are counted.
 */
export function createMeter(facts: Pick<ResponseFacts, 'eventStream' | 'json' | 'encoding'>): Meter | null {
  if (!facts.eventStream && !facts.json) return null
  const tap = facts.eventStream ? new StreamMeter() : new JsonMeter()
  if (facts.encoding === null) return tap
  const decoder = createDecoder(facts.encoding)
  return decoder === null ? null : new DecodingMeter(tap, decoder)
}
