import type { Config } from '../config/config.js'
import { boundsOf, type ObjectBooks } from '../stored/object-books.js'
import { ObjectMap, type StoredObject } from '../stored/object-map.js'
import type { Link } from './link.js'
import { LinkQuestions } from './link-questions.js'
import type { ToStoredPrimary, ToStoredWorker } from './stored-messages.js'

/** So many objects a worker remembers itself: the primary has all of them. */
const MOST_REMEMBERED = 10_000

/** Milliseconds for an answer of the primary, which itself waits for the other workers. */
const ASK_MS = 4_000

/**
 * The stored objects as a worker sees them. It remembers what the primary has said of an id, which never changes but
 * for one thing: that the tokens are in a record. So it decides nothing itself, and believes not even what it has told.
 */
export class RemoteObjectBooks implements ObjectBooks {
  readonly isShared: boolean
  private readonly link: Link
  private readonly objects: ObjectMap
  /** Whether all workers have said what they know. */
  private readonly finds: LinkQuestions<boolean>
  private readonly claims: LinkQuestions<StoredObject | null>

  constructor(link: Link, options: Pick<Config['stored'], 'objects' | 'days'>, askMs: number = ASK_MS) {
    this.isShared = true
    this.link = link
    this.objects = new ObjectMap(boundsOf(options, MOST_REMEMBERED), () => {})
    this.finds = new LinkQuestions(link, askMs)
    this.claims = new LinkQuestions(link, null)
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
    const asked = this.claims.ask((ask) => this.send({ kind: 'claim', ask, id, owner }))
    // The primary is gone: nobody can say which record has the tokens.
    return asked.catch(() => null)
  }

  async ask(ids: readonly string[]): Promise<void> {
    const isSure = await this.finds.ask((ask) => this.send({ kind: 'find', ask, ids }))
    if (!isSure) throw new Error('a worker has not answered in time')
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
        this.claims.answer(message.ask, message.object)
        return
      case 'found':
        this.finds.answer(message.ask, message.isSure)
        return
      case 'look':
        void look(message.ids).then(() => this.send({ kind: 'looked', look: message.look }))
    }
  }
}
