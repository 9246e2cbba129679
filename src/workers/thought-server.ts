import { type ThoughtBounds, ThoughtStore } from '../translate/thinking/thought-store.js'
import type { Link } from './link.js'
import type { ToThoughtPrimary, ToThoughtWorker } from './thought-messages.js'

/** Milliseconds that workers may take to say what they have. */
const SYNC_MS = 500

/**
 * The thinking of all workers, in the primary's memory: `cursor.thinkingBytes` is for all of it, and what cannot be
 * told apart is seen here, whichever workers it came from. A client may ask for its next turn before its worker has
 * told of the last one. So each look-up waits until every worker has said what it had to say before.
 */
export class ThoughtServer {
  private store: ThoughtStore
  private readonly onFull: () => void
  private readonly syncMs: number
  /** Workers that serve requests. */
  private readonly workers: Set<Link>
  /** Those that have not answered the running round; null if there is none. */
  private waiting: Set<Link> | null
  private timer: NodeJS.Timeout | undefined
  /** Look-ups of the running round, and of the next one. */
  private running: ((isSure: boolean) => void)[]
  private next: ((isSure: boolean) => void)[]
  private lastSync: number

  /** @param onFull thinking was forgotten early, as there was no room */
  constructor(bounds: ThoughtBounds, onFull: () => void = () => {}, syncMs: number = SYNC_MS) {
    this.store = new ThoughtStore(bounds, { onFull })
    this.onFull = onFull
    this.syncMs = syncMs
    this.workers = new Set()
    this.waiting = null
    this.running = []
    this.next = []
    this.lastSync = 0
  }

  /** Other bounds hold: all is forgotten, as in one process. */
  reconfigure(bounds: ThoughtBounds): void {
    this.store = new ThoughtStore(bounds, { onFull: this.onFull })
  }

  /** Follows a worker from now on, until its link closes. */
  follow(link: Link): void {
    link.receive('thoughts', (value) => this.onMessage(link, value as ToThoughtPrimary))
    link.onClose(() => {
      this.workers.delete(link)
      this.onSynced(link)
    })
  }

  private onMessage(worker: Link, message: ToThoughtPrimary): void {
    switch (message.kind) {
      case 'here':
        if (worker.isOpen) this.workers.add(worker)
        return
      case 'remember':
        this.store.remember(message.owner, message.turn, message.callId, message.thought)
        return
      case 'synced':
        if (message.sync === this.lastSync) this.onSynced(worker)
        return
      case 'find': {
        const { ask, owner, calls } = message
        this.next.push((isSure) => {
          // Rather none than that of another conversation.
          const thoughts = calls.map((call) => (isSure ? this.store.find(owner, call) : null))
          send(worker, { kind: 'found', ask, thoughts })
        })
        if (this.waiting === null) this.startRound()
      }
    }
  }

  private startRound(): void {
    const sync = ++this.lastSync
    this.running = this.next
    this.next = []
    this.waiting = new Set(this.workers)
    for (const worker of this.workers) send(worker, { kind: 'sync', sync })
    this.timer = setTimeout(() => this.endRound(false), this.syncMs)
  }

  private onSynced(worker: Link): void {
    this.waiting?.delete(worker)
    if (this.waiting?.size === 0) this.endRound(true)
  }

  private endRound(isSure: boolean): void {
    clearTimeout(this.timer)
    const { running } = this
    this.waiting = null
    this.running = []
    for (const answer of running) answer(isSure)
    if (this.next.length > 0) this.startRound()
  }
}

function send(worker: Link, message: ToThoughtWorker): void {
  worker.send('thoughts', message)
}
