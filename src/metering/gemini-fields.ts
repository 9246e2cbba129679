import { filterObjects, isObject, type JsonObject, readCount } from '../json/values.js'
import type { ResponseStats } from './response-stats.js'

/**
 * Reads what Gemini's own API says in an event or a whole response: the text of its candidates, why it ended and its
 * model (ai.google.dev, API reference, GenerateContentResponse).
 * @returns UTF-8 bytes of the text
 */
export function readGemini(response: JsonObject, stats: ResponseStats): number {
  let bytes = 0
  for (const candidate of filterObjects(response.candidates)) bytes += readCandidate(candidate, stats)
  const { modelVersion, promptFeedback } = response
  if (typeof modelVersion === 'string' && modelVersion !== '') stats.model = modelVersion
  // A prompt that is blocked has no candidates.
  if (isObject(promptFeedback) && typeof promptFeedback.blockReason === 'string')
    stats.setFinishReason(promptFeedback.blockReason)
  return bytes
}

function readCandidate({ content, finishReason }: JsonObject, stats: ResponseStats): number {
  if (typeof finishReason === 'string' && finishReason !== '') stats.setFinishReason(finishReason)
  let bytes = 0
  for (const { text, functionCall } of filterObjects(isObject(content) ? content.parts : null)) {
    bytes += stats.addText(text)
    if (!isObject(functionCall)) continue
    stats.addToolCall()
    bytes += stats.addText(JSON.stringify(functionCall.args))
  }
  return bytes
}

/**
 * Reads Gemini's `usageMetadata`. It counts thoughts beside the candidates, and cached tokens as part of the prompt.
 * Each event has the numbers up to then.
 * @param usage parsed JSON of any type
 */
export function readGeminiUsage(usage: unknown, stats: ResponseStats): void {
  if (!isObject(usage)) return
  const answer = readCount(usage.candidatesTokenCount)
  const thoughts = readCount(usage.thoughtsTokenCount)
  // A later event may leave out the thoughts, whose number stays.
  const reasoning = thoughts ?? stats.usage?.reasoning ?? null
  stats.mergeUsage({
    prompt: readCount(usage.promptTokenCount),
    cached: readCount(usage.cachedContentTokenCount),
    cacheWritten: null,
    completion: answer === null && thoughts === null ? null : (answer ?? 0) + (reasoning ?? 0),
    reasoning: thoughts,
    details: null,
  })
}
