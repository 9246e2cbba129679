import { filterObjects, isObject, type JsonObject, stringOr } from '../json/values.js'
import { textOf } from './answer-text.js'
import type { ResponseStats } from './response-stats.js'
import { readUsage } from './usage-places.js'

/**
 * Reads one event of Bedrock's Converse (API reference, ConverseStream).
 * @param name of the event
 */
export function readConverseEvent(name: string, event: JsonObject, stats: ResponseStats): void {
  stats.ended = false
  switch (name) {
    case 'contentBlockStart': {
      const call = isObject(event.start) ? event.start.toolUse : null
      if (isObject(call)) stats.addToolCall(stringOr(call.name, ''))
      break
    }
    case 'contentBlockDelta': {
      const bytes = isObject(event.delta) ? readDelta(event.delta, stats) : 0
      if (bytes > 0) stats.addDeltas(1, bytes)
      break
    }
    case 'messageStop':
      if (typeof event.stopReason === 'string') stats.setFinishReason(event.stopReason)
      break
    case 'metadata':
      readUsage(event, stats)
      // Nothing follows it.
      stats.ended = true
      break
  }
}

/** The names of the events, which Nova's own streams have as members of one event. */
const EVENT_NAMES = ['messageStart', 'contentBlockStart', 'contentBlockDelta', 'messageStop', 'metadata']

/** Finds the event of Converse that stands in an event of a model. @returns null if there is none */
export function findConverseEvent(event: unknown): readonly [name: string, event: JsonObject] | null {
  if (!isObject(event)) return null
  for (const name of EVENT_NAMES) {
    const inner = event[name]
    if (isObject(inner)) return [name, inner]
  }
  return null
}

/** Reads what a whole response of Converse says beside its usage. @returns UTF-8 bytes of its text */
export function readConverseResponse(
  { output, stopReason: reason }: JsonObject,
  stats: ResponseStats,
): number {
  if (typeof reason !== 'string' || !isObject(output) || !isObject(output.message)) return 0
  stats.setFinishReason(reason)
  let bytes = 0
  for (const block of filterObjects(output.message.content)) {
    const { toolUse: call } = block
    if (isObject(call)) {
      stats.addToolCall(stringOr(call.name, ''))
      bytes += stats.addText(textOf(call.input))
    } else bytes += readDelta(block, stats)
  }
  return bytes
}

/** A part of an answer, or all of it. @returns UTF-8 bytes of its text */
function readDelta({ text, toolUse, reasoningContent: thoughts }: JsonObject, stats: ResponseStats): number {
  let bytes = stats.addText(text)
  if (isObject(toolUse)) bytes += stats.addText(toolUse.input)
  if (!isObject(thoughts)) return bytes
  const { reasoningText } = thoughts
  return (
    bytes + stats.addText(thoughts.text) + (isObject(reasoningText) ? stats.addText(reasoningText.text) : 0)
  )
}
