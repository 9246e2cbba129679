import type { Config } from '../config/config.js'
import type { Log } from '../observe/log.js'
import { ObjectMap, type StoredObject } from './object-map.js'
import { StoredFile } from './stored-file.js'

const DAY_MS = 86_400_000

/** The objects that are known, and who decides on them: this process, or the primary for all workers. */
export interface ObjectBooks {
  /** Others learn of objects, too: an id that is not known here is to be asked for (`ask`), and claims take a while. */
  readonly isShared: boolean
  readonly size: number
  find(id: string): StoredObject | null
  /**
   * Keeps an object. The first owner of an id keeps it: a client may choose the id of an object at some upstreams.
   * @returns the one that is known by this id; where others decide, they may find that it is another one
   */
  add(object: StoredObject): StoredObject
  /**
   * Claims the tokens of an object for one record: nobody gets them after that.
   * @param owner who asked for what shows them: who may see the object of others is not the one who pays for it
   * @returns null if the record is not to have them
   */
  claim(id: string, owner: string): StoredObject | null | Promise<StoredObject | null>
  /** Asks others for ids. Resolves when `find` knows what they know. @throws {Error} it cannot be known */
  ask(ids: readonly string[]): Promise<void>
  /** @param look called when others ask; resolves when all is added of the ids that this process knows */
  answerWith(look: (ids: readonly string[]) => Promise<void>): void
  load(): Promise<void>
  flushNow(): void
  close(): Promise<void>
}

/** Bounds as the config has them. @param most objects in memory */
export function boundsOf(
  { objects, days }: Pick<Config['stored'], 'objects' | 'days'>,
  most: number = objects,
): { readonly objects: number; readonly ageMs: number } {
  return { objects: Math.min(objects, most), ageMs: days * DAY_MS }
}

/** The objects that one process knows, in its memory and in a file. */
export class OwnObjectBooks implements ObjectBooks {
  readonly isShared: boolean
  private readonly objects: ObjectMap
  /** Null if nothing is kept over a restart. */
  private readonly file: StoredFile | null
  private isLoading: boolean
  /** Gets each object that is learned or billed; null: nobody does. */
  private follower: ((object: StoredObject) => void) | null

  /** @param path of the file that keeps them; null for none @param onFull an object was forgotten before its time */
  constructor(
    options: Pick<Config['stored'], 'objects' | 'days'>,
    path: string | null,
    log: Pick<Log, 'warn' | 'info'>,
    onFull: () => void,
  ) {
    this.isShared = false
    this.isLoading = false
    this.follower = null
    // The file may still have objects that left long ago.
    this.objects = new ObjectMap(boundsOf(options), () => this.isLoading || onFull())
    this.file = path === null ? null : new StoredFile(path, this.objects, log)
  }

  get size(): number {
    return this.objects.size
  }

  find(id: string): StoredObject | null {
    return this.objects.find(id)
  }

  add(object: StoredObject): StoredObject {
    const known = this.find(object.id)
    if (known !== null) return known
    this.set(object)
    return object
  }

  claim(id: string, owner: string): StoredObject | null {
    const object = this.find(id)
    if (object === null || object.isBilled || (object.owner !== '' && object.owner !== owner)) return null
    const billed = { ...object, isBilled: true }
    this.set(billed)
    return billed
  }

  ask(): Promise<void> {
    return Promise.resolve()
  }

  answerWith(): void {}

  async load(): Promise<void> {
    this.isLoading = true
    await this.file?.load()
    this.isLoading = false
  }

  flushNow(): void {
    this.file?.flushNow()
  }

  async close(): Promise<void> {
    await this.file?.close()
  }

  /** From now on, another process of this relay has the file too, and this follower tells it; null: not any more. */
  followBy(follower: ((object: StoredObject) => void) | null): void {
    this.follower = follower
    if (this.file !== null) this.file.isShared = follower !== null
  }

  /** Another process of this relay has learned it, and has written it down. */
  take(object: StoredObject): void {
    this.objects.set(object)
  }

  private set(object: StoredObject): void {
    this.objects.set(object)
    this.file?.add(object)
    this.follower?.(object)
  }
}
