import type { PresetName } from '../../../src/api/presets.js'
import { type Answer, answer, type Decided, data } from '../answers.js'
import { SSE } from '../upstream.js'

/**
 * How each API is unlike the others: whole answers with all that is odd in them, and what their records have to say. The
 * content is made up, the structure is theirs.
 */
export interface Quirk extends Answer {
  readonly preset: PresetName
  /** What a client asks for, behind the version. */
  readonly path: string
}

export type Json = Readonly<Record<string, unknown>>

export const CHAT_PATH = '/chat/completions'
export const TEXT = 'où 🦉?'

/** @param decided more than a stream without a tool call, a reason to stop, an error or a model */
export function stream(
  preset: PresetName,
  what: string,
  path: string,
  body: Buffer | string,
  decided: Decided,
  ...headers: string[]
): Quirk {
  return quirk(preset, what, path, '200 OK', [SSE, ...headers], body, decided)
}

export function quirk(
  preset: PresetName,
  what: string,
  path: string,
  status: string,
  headers: readonly string[],
  body: Buffer | string,
  decided: Decided,
): Quirk {
  return { ...answer(`${preset}: ${what}`, status, headers, body, decided), preset, path }
}

/** Events with names, as the Responses and the Messages API have them. */
export function named(...events: ReadonlyArray<Json & { readonly type: string }>): string {
  return events.map((event) => `event: ${event.type}\n${data(event)}`).join('')
}

/** Chunks of one answer: what they have in common, and then what each has. */
export function chunks(common: Json, ...each: readonly (Json | string)[]): string {
  return data(...each.map((one) => (typeof one === 'string' ? one : { ...common, ...one })))
}

export function choice(delta: Json, finish: string | null = null, more: Json = {}): Json {
  return { choices: [{ index: 0, delta, finish_reason: finish, ...more }] }
}

export function usage(prompt: number, completion: number, more: Json = {}): Json {
  return {
    usage: {
      prompt_tokens: prompt,
      completion_tokens: completion,
      total_tokens: prompt + completion,
      ...more,
    },
  }
}

/** What chunks have that nobody looks at. */
export const chunk = { object: 'chat.completion.chunk', created: 1_750_000_000 } as const
