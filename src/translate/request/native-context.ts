import type { ModelTraits } from '../../api/model-traits.js'
import { ObjectEdits } from '../../json/object-edits.js'
import { isEmptyValue, type Value } from '../../json/outline.js'
import type { ToolNames } from '../repair/tool-names.js'
import { isFrom, type ThoughtMemory } from '../thinking/thought-memory.js'
import { chooseEffort } from '../write/effort.js'

/** Where a body goes that stays in its own API. */
export interface NativeTarget {
  readonly traits: ModelTraits
  /** Name of the upstream: thinking goes back only to where it came from. */
  readonly upstream: string
  /** The model's name there; null if it is the client's. */
  readonly model: string | null
  /** The effort that the client chose by the model's name; null if it did not. */
  readonly effort: string | null
  /** The thinking of earlier turns; null: none is kept. */
  readonly thoughts: ThoughtMemory | null
}

/** What the functions that fit a body to its target work on. */
export interface NativeContext {
  readonly body: Buffer
  /** The outline of the body. */
  readonly request: Value
  readonly edits: ObjectEdits
  readonly target: NativeTarget
  /** Names of the custom tools that stay custom tools. */
  readonly customs: ReadonlySet<string>
  /** Names of the custom tools that go out as functions. */
  readonly wrapped: ReadonlySet<string>
  readonly fields: FieldCuts
  /** The names of tools that the target takes. */
  readonly names: ToolNames
}

/** What a model refuses. */
type Refusals = Pick<ModelTraits, 'refuses' | 'refusesTogether'>

/** Cuts fields that a model refuses, and remembers those that the client had set. */
export class FieldCuts {
  /** Names in the client's body, each once. */
  readonly dropped: string[]
  private readonly body: Buffer
  private readonly request: Value
  private readonly edits: ObjectEdits
  private readonly refused: ReadonlySet<string>
  private readonly together: Refusals['refusesTogether']

  constructor(body: Buffer, request: Value, edits: ObjectEdits, traits: Refusals) {
    this.dropped = []
    this.body = body
    this.request = request
    this.edits = edits
    this.refused = new Set(traits.refuses)
    this.together = traits.refusesTogether
  }

  /** @param name in the target's API, `outer.inner` for a member of a member */
  isRefused(name: string): boolean {
    return this.refused.has(name)
  }

  private isGiven(name: string): boolean {
    return !this.isRefused(name) && !isEmptyValue(this.body, this.request.find(name))
  }

  /**
   * Cuts the parts of an object of the request that the model refuses (`outer.inner`), and the object with its last
   * part. The object itself must not be changed elsewhere.
   */
  cutParts(name: string): void {
    const object = this.request.find(name)
    const refused = (object?.members ?? []).filter(({ key }) => this.isRefused(`${name}.${key}`))
    if (object === null || refused.length === 0) return
    this.report(name)
    if (refused.length === object.members?.length) {
      this.edits.cut(name)
      return
    }
    const within = new ObjectEdits(object)
    for (const { key } of refused) within.cut(key)
    this.edits.within(within.edits())
  }

  /** Cuts a field, and reports it if it is there and not null. */
  drop(name: string): void {
    this.report(name)
    this.edits.cut(name)
  }

  /** Reports a field that is cut, if it is there and not null. */
  report(name: string): void {
    if (!isEmptyValue(this.body, this.request.find(name)) && !this.dropped.includes(name))
      this.dropped.push(name)
  }

  /**
   * Cuts all fields that the model refuses.
   * @param synonyms by the API's name of a field, the names that become it
   */
  dropRefused(synonyms: Readonly<Record<string, readonly string[]>>): void {
    for (const name of this.refused) {
      this.drop(name)
      for (const synonym of synonyms[name] ?? []) this.drop(synonym)
    }
    for (const [first, second] of this.together) if (this.isGiven(first)) this.drop(second)
  }
}

/**
 * The effort that the model is asked for.
 * @param own the client's, from its body
 * @returns null if there is none, or the model has none that is near
 */
export function fitEffort({ traits, effort }: NativeTarget, own: string | null): string | null {
  return chooseEffort(effort ?? own, traits.efforts)
}

/**
 * The thinking that came with a call from this target, as JSON text; null if it is not known.
 * @param message index of its message or item in the body
 */
export function findThought(
  { thoughts, upstream, model }: NativeTarget,
  api: 'chat' | 'responses' | 'messages',
  callId: string | null,
  message: number,
): string | null {
  const thought = callId === null ? null : (thoughts?.find({ id: callId, message }) ?? null)
  return thought !== null && isFrom(thought, { api, upstream, model }) && thought.json !== ''
    ? thought.json
    : null
}
