import type { ChatThinking } from '../../api/model-traits.js'
import { filterObjects, isObject, parseJson } from '../../json/values.js'

/**
 * Adds thinking to a streamed chat completion, as models send it that want it back beside their calls.
 * @param events of the demo upstream
 */
export function addThinking(events: string, kind: ChatThinking): string {
  if (kind === 'none') return events
  let isFirst = true
  return events.replaceAll(/^data: (\{.*\})$/gm, (line, json: string) => {
    const chunk = parseJson(json)
    const choices = isObject(chunk) ? filterObjects(chunk.choices) : []
    const delta = choices[0]?.delta
    if (!isObject(chunk) || !isObject(delta)) return line
    const changed = kind === 'reasoning_content' ? addReasoning(delta, isFirst) : signCalls(delta)
    isFirst = false
    return `data: ${JSON.stringify({ ...chunk, choices: [{ ...choices[0], delta: changed }] })}`
  })
}

function addReasoning(delta: Readonly<Record<string, unknown>>, isFirst: boolean): object {
  return isFirst ? { ...delta, reasoning_content: 'The task needs a tool.' } : delta
}

/** Thought signatures, in the compatible API (ai.google.dev, Thought signatures). */
function signCalls(delta: Readonly<Record<string, unknown>>): object {
  const calls = filterObjects(delta.tool_calls)
  if (calls.length === 0) return delta
  const extra_content = { google: { thought_signature: 'c2lnbmVk' } }
  return { ...delta, tool_calls: calls.map((call) => ('id' in call ? { ...call, extra_content } : call)) }
}

/**
 * Answers as Gemini's native API (Gemini API reference, GenerateContentResponse): with a call of the first function,
 * or with text where there is none, or where the last content is a function's result.
 */
export function answerGemini(model: string, body: Readonly<Record<string, unknown>>): string {
  const functions = filterObjects(body.tools).flatMap((tool) => filterObjects(tool.functionDeclarations))
  const last = filterObjects(body.contents).at(-1)
  const isResult = filterObjects(last?.parts).some((part) => part.functionResponse !== undefined)
  const [first] = functions
  const part =
    first === undefined || isResult
      ? { text: 'The number is 42.' }
      : { functionCall: { name: first.name, args: { path: 'a.ts' } }, thoughtSignature: 'c2lnbmVk' }
  const chunk = {
    candidates: [{ index: 0, content: { role: 'model', parts: [part] }, finishReason: 'STOP' }],
    usageMetadata: { promptTokenCount: 20, candidatesTokenCount: 5, totalTokenCount: 25 },
    modelVersion: model,
    responseId: 'double',
  }
  return `data: ${JSON.stringify(chunk)}\r\n\r\n`
}
