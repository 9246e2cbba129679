import type { ResponseFacts } from '../http/headers.js'
import { DecodingTap, decoderFor } from './decoding-meter.js'
import { AnswerScanner } from './json-meter.js'
import type { Tap } from './meter.js'
import { EventScanner } from './stream-meter.js'

/**
 * What looks at an answer with this head. Event streams and JSON are looked at; of anything else, and of what is
 * compressed in a way that is not known here, only the bytes are counted.
 */
export function tapFor(facts: Pick<ResponseFacts, 'eventStream' | 'json' | 'encoding'>): Tap | null {
  if (!facts.eventStream && !facts.json) return null
  const tap = facts.eventStream ? new EventScanner() : new AnswerScanner()
  if (facts.encoding === null) return tap
  const decoder = decoderFor(facts.encoding)
  return decoder === null ? null : new DecodingTap(tap, decoder)
}
