import { equalsText, findMember, findString, readText, sliceText, type Value } from '../../json/outline.js'
import type { AnswerFormat, Json } from '../conversation.js'
import { copyMember, copyString, isFalse, isNumber } from './values.js'

/** Stop sequences as an array: chat completions allow one text alone. Other values are no stops. */
export function readStop(body: Buffer, value: Value | null): Json | null {
  if (value === null) return null
  if (findString(body, value)) return `[${sliceText(body, value)}]`
  if (!value.elements?.length) return null
  const texts: string[] = []
  for (const element of value.elements) if (findString(body, element)) texts.push(sliceText(body, element))
  return texts.length === 0 ? null : `[${texts.join(',')}]`
}

/**
 * The format of the answer, with the schema's members beside the type (Responses, Messages) or in `json_schema` (chat
 * completions). Null for plain text, and for a schema that is missing.
 */
export function readFormat(body: Buffer, format: Value | null): AnswerFormat | null {
  if (!format?.members) return null
  const type = findMember(format, 'type')
  if (equalsText(body, type, 'json_object')) return { kind: 'json' }
  if (!equalsText(body, type, 'json_schema')) return null
  const nested = findMember(format, 'json_schema')
  const at = nested?.members ? nested : format
  const schema = copyMember(body, at, 'schema')
  if (schema === null) return { kind: 'json' }
  return {
    kind: 'schema',
    name: copyString(body, at, 'name'),
    description: copyString(body, at, 'description'),
    schema,
    strict: copyMember(body, at, 'strict'),
  }
}

/** In bytes. */
const LONGEST_EFFORT = 64

/** The effort by any of its names; `none` if thinking is turned off in another way. */
export function readEffort(body: Buffer, fields: ReadonlyMap<string, Value>): string | null {
  const reasoning = fields.get('reasoning') ?? null
  const places = [
    findMember(reasoning, 'effort'),
    findMember(fields.get('output_config') ?? null, 'effort'),
    fields.get('reasoning_effort') ?? null,
  ]
  for (const place of places) {
    const effort = readText(body, place, LONGEST_EFFORT)
    if (effort !== null && effort !== '') return effort
  }
  const isOff =
    isFalse(body, findMember(reasoning, 'enabled')) ||
    equalsText(body, findMember(fields.get('thinking') ?? null, 'type'), 'disabled')
  return isOff ? 'none' : null
}

/** The tokens that the model may think, by the name of Messages or of OpenRouter. */
export function readBudget(body: Buffer, fields: ReadonlyMap<string, Value>): Json | null {
  const thinking = fields.get('thinking') ?? null
  const own = equalsText(body, findMember(thinking, 'type'), 'enabled')
    ? findMember(thinking, 'budget_tokens')
    : null
  const budget = own ?? findMember(fields.get('reasoning') ?? null, 'max_tokens')
  return budget !== null && isNumber(body, budget) ? sliceText(body, budget) : null
}

/** `true` if a Responses body asks for the log probabilities of its text. */
export function readLogprobs(body: Buffer, include: Value | null): Json | null {
  for (const element of include?.elements ?? []) {
    if (equalsText(body, element, 'message.output_text.logprobs')) return 'true'
  }
  return null
}
