import { parseCount } from './literals.js'
import { findMember, findOnly, parseOutline, WHOLE } from './outline.js'

/** Names of the longest answer: Gemini's (both spellings), Bedrock's (Converse, Nova, Titan) and Ollama's. */
const NAMES = [
  'maxOutputTokens',
  'max_output_tokens',
  'maxTokens',
  'max_new_tokens',
  'maxTokenCount',
  'num_predict',
]

const PLAN = findOnly(Object.fromEntries(NAMES.map((name) => [name, WHOLE])))

/** Finds the longest answer, in tokens, in the settings of an answer. @returns null if they do not say it */
export function readNestedLimit(settings: Buffer): number | null {
  const outline = parseOutline(settings, PLAN)
  for (const name of NAMES) {
    const value = findMember(outline, name)
    const count = value === null ? null : parseCount(settings.subarray(value.start, value.end))
    if (count !== null) return count
  }
  return null
}
