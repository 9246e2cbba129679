import type { Config } from '../config/config.js'
import { boundsOf, type ObjectBooks } from '../stored/object-books.js'
import { ObjectMap, type StoredObject } from '../stored/object-map.js'
import type { Link } from './link.js'
import type { ToStoredPrimary, ToStoredWorker } from './stored-messages.js'

/** So many objects a worker remembers itself: the primary has all of them. */
const MOST_REMEMBERED = 10_000

/** Milliseconds for an answer of the primary, which itself waits for the other workers. */
const ASK_MS = 4_000

/** Somebody who waits for an answer of the primary. */
interface Asked {
  readonly resolve: () => void
  readonly reject: (reason: Error) => void
  readonly timer: NodeJS.Timeout
}

/**
 * The stored objects as a worker sees them. It remembers what the primary has said of an id, which never changes but
 * for one thing: that the tokens are in a record. So it decides nothing itself, and believes not even what it has told.
 */
export class RemoteObjectBooks implements ObjectBooks {
  readonly isShared: boolean
  private readonly link: Link
  private readonly askMs: number
  private readonly objects: ObjectMap
  private readonly asked: Map<number, Asked>
  private readonly claims: Map<number, (object: StoredObject | null) => void>
  private lastAsk: number

  constructor(link: Link, options: Pick<Config['stored'], 'objects' | 'days'>, askMs: number = ASK_MS) {
    this.isShared = true
    this.link = link
    this.askMs = askMs
    this.objects = new ObjectMap(boundsOf(options, MOST_REMEMBERED), () => {})
    this.asked = new Map()
    this.claims = new Map()
    this.lastAsk = 0
    link.onClose(() => this.giveUp())
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
    this.send({ kind: 'made', object })
    return object
  }

  /** It may take as long as the primary takes: no client waits for it. */
  claim(id: string, owner: string): StoredObject | null | Promise<StoredObject | null> {
    if (this.find(id)?.isBilled === true || !this.link.isOpen) return null
    const ask = ++this.lastAsk
    this.send({ kind: 'claim', ask, id, owner })
    return new Promise((resolve) => this.claims.set(ask, resolve))
  }

  ask(ids: readonly string[]): Promise<void> {
    if (!this.link.isOpen) return Promise.reject(new Error('the primary is gone'))
    const ask = ++this.lastAsk
    this.send({ kind: 'find', ask, ids })
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.settle(ask, false), this.askMs)
      this.asked.set(ask, { resolve, reject, timer })
    })
  }

  /** The worker serves requests from now on. */
  answerWith(look: (ids: readonly string[]) => Promise<void>): void {
    this.link.receive('stored', (value) => this.onMessage(value as ToStoredWorker, look))
    this.send({ kind: 'here' })
  }

  async load(): Promise<void> {}

  flushNow(): void {}

  async close(): Promise<void> {}

  private send(message: ToStoredPrimary): void {
    this.link.send('stored', message)
  }

  private onMessage(message: ToStoredWorker, look: (ids: readonly string[]) => Promise<void>): void {
    switch (message.kind) {
      case 'known':
        this.objects.set(message.object)
        return
      case 'claimed':
        if (message.object !== null) this.objects.set(message.object)
        this.claims.get(message.ask)?.(message.object)
        this.claims.delete(message.ask)
        return
      case 'found':
        this.settle(message.ask, message.isSure)
        return
      case 'look':
        void look(message.ids).then(() => this.send({ kind: 'looked', look: message.look }))
    }
  }

  private settle(ask: number, isSure: boolean): void {
    const asked = this.asked.get(ask)
    if (asked === undefined) return
    this.asked.delete(ask)
    clearTimeout(asked.timer)
    if (isSure) asked.resolve()
    else asked.reject(new Error('a worker has not answered in time'))
  }

  /** The primary is gone: nobody can say whose an object is, nor which record has its tokens. */
  private giveUp(): void {
    for (const ask of [...this.asked.keys()]) this.settle(ask, false)
    for (const resolve of this.claims.values()) resolve(null)
    this.claims.clear()
  }
}
