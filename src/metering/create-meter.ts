import type { ResponseFacts } from '../http/response-headers.js'
import { AwsStreamMeter } from './aws-stream-meter.js'
import { createDecoder, DecodingMeter } from './decoding-meter.js'
import { JsonMeter } from './json-meter.js'
import type { Meter } from './meter.js'
import { StreamMeter } from './stream-meter.js'
import { UntypedMeter } from './untyped-meter.js'
import { FORMS_OF_PRESET, type UsageForm } from './usage-forms.js'
import { readHeaderUsage } from './usage-places.js'

type Facts = Pick<
  ResponseFacts,
  'eventStream' | 'awsEventStream' | 'json' | 'jsonLines' | 'untyped' | 'encoding' | 'headerUsage'
>

/**
 * Creates the meter for a response with this head. Only event streams and JSON are read.
 * @param preset of the upstream; null if it has none. Few upstreams' numbers mean something else than they say
 * @param asksStream the request asked for a stream
 * @returns null for any other body, and for a content-coding that Node cannot decode
 */
export function createMeter(facts: Facts, preset: string | null, asksStream: boolean): Meter | null {
  const meter = chooseMeter(facts, preset === null ? undefined : FORMS_OF_PRESET[preset], asksStream)
  if (meter !== null && facts.headerUsage !== null) readHeaderUsage(facts.headerUsage, meter.readStats())
  if (meter === null || facts.encoding === null) return meter
  const decoder = createDecoder(facts.encoding)
  return decoder === null ? null : new DecodingMeter(meter, decoder)
}

function chooseMeter(
  facts: Facts,
  forms: readonly UsageForm[] | undefined,
  asksStream: boolean,
): Meter | null {
  if (facts.eventStream) return new StreamMeter(forms)
  if (facts.awsEventStream) return new AwsStreamMeter(forms)
  if (facts.jsonLines) return new StreamMeter(forms, true)
  if (asksStream && (facts.json || facts.untyped)) return new UntypedMeter(forms)
  return facts.json ? new JsonMeter(forms) : null
}
