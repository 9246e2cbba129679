import { asFields, asList, type Fields, requireModel } from './fields.js'
import { readTools, type Tool } from './tool.js'

/** One message of the conversation: from the user, from a tool, or from another role (system, assistant). */
export interface Turn {
  readonly role: 'user' | 'tool' | 'other'
  /** One text for each content part. The user's own words come last: editors put context in the parts before them. */
  readonly texts: readonly string[]
}

/** Which tool the model has to call: a named one, any, none, or as it likes. */
export interface ToolChoice {
  readonly mode: 'auto' | 'required' | 'none'
  readonly name: string | null
}

/** A request of any of the four APIs. */
export interface Prompt {
  readonly model: string
  readonly turns: readonly Turn[]
  readonly tools: readonly Tool[]
  readonly toolChoice: ToolChoice
  /** Infinity if the request sets no limit. */
  readonly maxTokens: number
  readonly stops: readonly string[]
  readonly tokens: number
}

/** Collects the texts of a message's content: a string, or an array of parts of which some have a text. */
export function collectTexts(content: unknown): string[] {
  if (typeof content === 'string') return [content]
  const texts: string[] = []
  for (const part of asList(content)) {
    const text = asFields(part).text
    if (typeof text === 'string') texts.push(text)
  }
  return texts
}

/** Collects the texts of tool calls: the arguments count as prompt tokens too. */
export function collectCallTexts(calls: unknown): string[] {
  return calls === undefined || calls === null ? [] : [JSON.stringify(calls)]
}

/** Counts tokens as four bytes each: close enough for English, and the same on every machine. */
export function countTokens(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / 4)
}

/**
 * Reads a tool choice in all formats in use: `"required"`, `{"type":"function","function":{"name"}}` (Chat),
 * `{"type":"function","name"}` (Responses), `{"type":"any"}` and `{"type":"tool","name"}` (Messages), and
 * `{"type":"auto"}`, which Cursor sends in chat bodies.
 */
export function readToolChoice(value: unknown): ToolChoice {
  const choice = asFields(value)
  const type = typeof value === 'string' ? value : choice.type
  if (type === 'none') return { mode: 'none', name: null }
  if (type === 'required' || type === 'any') return { mode: 'required', name: null }
  if (type === 'function' || type === 'tool') {
    const name = choice.name ?? asFields(choice.function).name
    return { mode: 'required', name: typeof name === 'string' ? name : null }
  }
  return { mode: 'auto', name: null }
}

/** Reads the parts of a body that all APIs have. @throws Problem */
export function readPrompt(
  body: Fields,
  turns: readonly Turn[],
  maxTokens: number,
  stops: readonly string[],
): Prompt {
  let tokens = body.tools === undefined ? 0 : countTokens(JSON.stringify(body.tools))
  for (const turn of turns) for (const text of turn.texts) tokens += countTokens(text)
  return {
    model: requireModel(body),
    turns,
    tools: readTools(body.tools),
    toolChoice: readToolChoice(body.tool_choice),
    maxTokens,
    stops,
    tokens,
  }
}
