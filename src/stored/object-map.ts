/** What the relay knows of an object that a provider stores. Nothing of its content. */
export interface StoredObject {
  readonly id: string
  /** Who made it (`ownerOf`); empty if nobody can be told from others. */
  readonly owner: string
  /** Id of the key that made it; null without keys. */
  readonly key: string | null
  /** Name of the upstream that has it. */
  readonly upstream: string
  /** Epoch milliseconds. */
  readonly madeAt: number
  /** Its tokens are in a record. */
  readonly isBilled: boolean
}

/** Bounds of the memory for stored objects. */
export interface ObjectBounds {
  readonly objects: number
  readonly ageMs: number
}

/** Stored objects by their ids. The oldest leave first: by their age, and when there are too many. */
export class ObjectMap {
  private readonly byId: Map<string, StoredObject>
  /**
   * Their ids from the oldest on, which is at `oldest`. The map has the same order, but its first entry is found only
   * behind all that were deleted before it.
   */
  private ids: string[]
  private oldest: number
  private readonly bounds: ObjectBounds
  private readonly onFull: () => void
  private readonly now: () => number
  /** Owners, keys and upstreams are few: each name is in memory once, and not with each object. */
  private readonly names: Map<string, string>

  /** @param onFull an object had to leave before its time @param now epoch milliseconds */
  constructor(bounds: ObjectBounds, onFull: () => void, now: () => number = Date.now) {
    this.byId = new Map()
    this.ids = []
    this.oldest = 0
    this.bounds = bounds
    this.onFull = onFull
    this.now = now
    this.names = new Map()
  }

  get size(): number {
    return this.byId.size
  }

  find(id: string): StoredObject | null {
    const found = this.byId.get(id)
    return found === undefined || this.isOld(found) ? null : found
  }

  /** Keeps an object; one that is known by this id is replaced, and stays in its place. */
  set(made: StoredObject): void {
    const { id, madeAt, isBilled } = made
    const owner = this.share(made.owner)
    const key = made.key === null ? null : this.share(made.key)
    const object = { id, owner, key, upstream: this.share(made.upstream), madeAt, isBilled }
    if (this.isOld(object)) return
    if (!this.byId.has(id)) this.ids.push(id)
    this.byId.set(id, object)
    this.removeOld()
    if (this.byId.size <= this.bounds.objects) return
    this.removeOldest()
    this.onFull()
  }

  values(): IterableIterator<StoredObject> {
    return this.byId.values()
  }

  private removeOld(): void {
    for (;;) {
      const object = this.byId.get(this.ids[this.oldest] ?? '')
      if (object === undefined || !this.isOld(object)) return
      this.removeOldest()
    }
  }

  private removeOldest(): void {
    this.byId.delete(this.ids[this.oldest] as string)
    this.oldest++
    if (this.oldest < MOST_GONE || this.oldest < this.ids.length / 2) return
    this.ids = this.ids.slice(this.oldest)
    this.oldest = 0
  }

  private isOld({ madeAt }: StoredObject): boolean {
    return this.now() - madeAt > this.bounds.ageMs
  }

  private share(name: string): string {
    const known = this.names.get(name)
    if (known !== undefined) return known
    if (this.names.size >= MOST_NAMES) this.names.clear()
    this.names.set(name, name)
    return name
  }
}

const MOST_NAMES = 10_000

/** Ids of so many objects that left may stay in the list. */
const MOST_GONE = 1_000
