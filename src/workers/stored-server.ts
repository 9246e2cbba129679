import type { OwnObjectBooks } from '../stored/object-books.js'
import type { Link } from './link.js'
import type { ToStoredPrimary, ToStoredWorker } from './stored-messages.js'

/** Milliseconds that workers may take to say what they know. */
const LOOK_MS = 2_000

/** All workers but one are asked for objects. */
interface Look {
  /** Those that have not answered. */
  readonly waiting: Set<Link>
  readonly onDone: (isSure: boolean) => void
  readonly timer: NodeJS.Timeout
}

/**
 * The stored objects of all workers, in the primary: it alone decides who owns an id and which record has the tokens. A
 * client may have seen an id that its worker has not told of yet. So an id that is not known here is looked for at all
 * other workers; what they say comes ahead of their answer.
 */
export class StoredServer {
  private readonly books: OwnObjectBooks
  private readonly lookMs: number
  /** Workers that serve requests. */
  private readonly workers: Set<Link>
  private readonly looks: Map<number, Look>
  private lastLook: number

  constructor(books: OwnObjectBooks, lookMs: number = LOOK_MS) {
    this.books = books
    this.lookMs = lookMs
    this.workers = new Set()
    this.looks = new Map()
    this.lastLook = 0
  }

  /** Follows a worker from now on, until its link closes. */
  follow(link: Link): void {
    link.receive('stored', (value) => this.onMessage(link, value as ToStoredPrimary))
    link.onClose(() => this.forget(link))
  }

  private onMessage(worker: Link, message: ToStoredPrimary): void {
    switch (message.kind) {
      case 'here':
        if (worker.isOpen) this.workers.add(worker)
        return
      case 'made':
        send(worker, { kind: 'known', object: this.books.add(message.object) })
        return
      case 'claim': {
        const { ask, id, owner } = message
        send(worker, { kind: 'claimed', ask, object: this.books.claim(id, owner) })
        return
      }
      case 'find':
        this.find(worker, message.ask, message.ids)
        return
      case 'looked':
        this.answer(message.look, worker)
    }
  }

  private find(asker: Link, ask: number, ids: readonly string[]): void {
    const answer = (isSure: boolean): void => {
      for (const id of ids) {
        const object = this.books.find(id)
        if (object !== null) send(asker, { kind: 'known', object })
      }
      send(asker, { kind: 'found', ask, isSure })
    }
    const unknown = ids.filter((id) => this.books.find(id) === null)
    const waiting = new Set([...this.workers].filter((worker) => worker !== asker))
    if (unknown.length === 0 || waiting.size === 0) {
      answer(true)
      return
    }
    const look = ++this.lastLook
    const timer = setTimeout(
      () =>
        this.end(
          look,
          unknown.every((id) => this.books.find(id) !== null),
        ),
      this.lookMs,
    )
    this.looks.set(look, { waiting, onDone: answer, timer })
    for (const worker of waiting) send(worker, { kind: 'look', look, ids: unknown })
  }

  private answer(number: number, worker: Link): void {
    const look = this.looks.get(number)
    look?.waiting.delete(worker)
    if (look?.waiting.size === 0) this.end(number, true)
  }

  private end(number: number, isSure: boolean): void {
    const look = this.looks.get(number)
    if (look === undefined) return
    this.looks.delete(number)
    clearTimeout(look.timer)
    look.onDone(isSure)
  }

  /** What it has not told of is lost, as when a relay in one process is killed. */
  private forget(worker: Link): void {
    this.workers.delete(worker)
    for (const number of [...this.looks.keys()]) this.answer(number, worker)
  }
}

function send(worker: Link, message: ToStoredWorker): void {
  worker.send('stored', message)
}
