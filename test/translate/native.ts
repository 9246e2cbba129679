import type { BodyApi } from '../../src/api/apis.js'
import { USUAL_TRAITS } from '../../src/api/model-table.js'
import type { ModelTraits } from '../../src/api/model-traits.js'
import type { NativeTarget } from '../../src/translate/request/native-context.js'
import { buildNativeRequest, type NativeRequest } from '../../src/translate/request/native-request.js'
import type { Thought, ThoughtMemory } from '../../src/translate/thinking/thought-memory.js'
import { changes, edited, requireUntouchedOutside } from './bodies.js'

/** A model that takes all that its API has. */
export const TRAITS: ModelTraits = {
  ...USUAL_TRAITS,
  limitField: 'max_completion_tokens',
  thinking: 'budget',
}

/** What a target may say, besides the traits of its model. */
export type Target = Partial<ModelTraits> & Partial<Omit<NativeTarget, 'traits'>>

export function createTarget({
  upstream = 'up',
  model = 'm',
  effort = null,
  thoughts = null,
  ...traits
}: Target = {}): NativeTarget {
  return { traits: { ...TRAITS, ...traits }, upstream, model, effort, thoughts }
}

/** A memory that has these thoughts, by the ids of calls. */
export function createMemory(thoughts: Readonly<Record<string, Thought>>): ThoughtMemory {
  return {
    whenReady: () => null,
    find: ({ id }) => thoughts[id] ?? null,
    openRecorder: () => ({ remember: () => {} }),
  }
}

/** An upstream without custom tools and reasoning objects. */
export const PLAIN: Target = { customTools: false, reasoningObject: false, limitField: 'max_tokens' }

/** The body that is sent, parsed. All bytes outside the edits are compared on the way. */
export function sent(shape: BodyApi, body: string | object, target: Target = {}): unknown {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const bytes = Buffer.from(text)
  const { edits } = buildNativeRequest(shape, bytes, createTarget(target))
  requireUntouchedOutside(bytes, edits)
  return JSON.parse(edited(bytes, edits))
}

/** The text before and after each edit. */
export function changed(shape: BodyApi, text: string, target: Target = {}): [string, string][] {
  return changes(text, buildNativeRequest(shape, Buffer.from(text), createTarget(target)).edits)
}

/** The request for a target that takes all but what is said. */
export function build(shape: BodyApi, body: Buffer, target: Target = {}): NativeRequest {
  return buildNativeRequest(shape, body, createTarget(target))
}
