/** A part of a tool call, as a chunk of a chat brings it. */
export interface CallPart {
  /** Null if the chunk has none. */
  readonly index: number | null
  /** Empty if the chunk has none. */
  readonly id: string
  readonly name: string
  readonly args: string
}

/**
 * Tells the first part of each tool call from its later ones. OpenAI gives a call an index, and its id and name in the
 * first part alone. Others repeat the name, or both, in each part; leave out the index; or give all calls index 0.
 */
export class CallTracker {
  /** Ids by index; empty for a call without one. */
  private readonly ids: Map<number, string>
  private readonly others: Set<string>
  private lastName: string

  constructor() {
    this.ids = new Map()
    this.others = new Set()
    this.lastName = ''
  }

  /** Whether a call begins with this part. */
  begins({ index, id, name, args }: CallPart): boolean {
    const isNew = this.isNew(index, id, name, args)
    if (name !== '') this.lastName = name
    if (!isNew) return false
    if (this.ids.size + this.others.size < MAX_CALLS) {
      if (id !== '') this.others.add(id)
      if (index !== null) this.ids.set(index, id)
    }
    return true
  }

  private isNew(index: number | null, id: string, name: string, args: string): boolean {
    if (id !== '' && this.others.has(id)) return false
    const known = index === null ? undefined : this.ids.get(index)
    // A part with an id continues only a call that had none so far, or has the same.
    if (known !== undefined) return id !== '' && known !== ''
    if (id !== '') return true
    if (index !== null) return name !== ''
    // Neither index nor id: arguments that do not begin here continue the call before.
    return name !== '' && (name !== this.lastName || args === '' || args.startsWith('{'))
  }
}

/** Calls of one answer that are kept apart. Beyond them, each part with a new id counts as a call. */
const MAX_CALLS = 1_000
