import { filterObjects, isObject, type JsonObject, stringOr } from '../json/values.js'
import { countQueries, textOf } from './answer-text.js'
import type { ResponseStats } from './response-stats.js'

/** Whether an event or a response is of Gemini's own API. */
export function isGemini({ candidates, promptFeedback }: JsonObject): boolean {
  return candidates !== undefined || promptFeedback !== undefined
}

/**
 * Reads what Gemini's own API says in an event or a whole response: the text of its candidates, why it ended and its
 * model (ai.google.dev, API reference, GenerateContentResponse).
 * @returns UTF-8 bytes of the text
 */
export function readGemini(response: JsonObject, stats: ResponseStats): number {
  let bytes = 0
  for (const candidate of filterObjects(response.candidates)) bytes += readCandidate(candidate, stats)
  const { modelVersion, promptFeedback } = response
  if (typeof modelVersion === 'string' && modelVersion !== '') stats.setModel(modelVersion)
  // A prompt that is blocked has no candidates.
  if (isObject(promptFeedback) && typeof promptFeedback.blockReason === 'string')
    stats.setFinishReason(promptFeedback.blockReason)
  return bytes
}

function readCandidate(
  { content, finishReason, groundingMetadata }: JsonObject,
  stats: ResponseStats,
): number {
  if (typeof finishReason === 'string' && finishReason !== '') stats.setFinishReason(finishReason)
  if (groundingMetadata !== undefined) stats.takeSearches(countQueries(groundingMetadata))
  let bytes = 0
  for (const { text, functionCall } of filterObjects(isObject(content) ? content.parts : null)) {
    bytes += stats.addText(text)
    if (!isObject(functionCall)) continue
    stats.addToolCall(stringOr(functionCall.name, ''))
    bytes += stats.addText(textOf(functionCall.args))
  }
  return bytes
}
