import { createRebuilder, type RollupParts, type RollupSettings } from '../rollups/local-rollups.js'
import type { Rebuilder } from '../rollups/rebuild/rebuilder.js'
import { RecentRequests } from '../rollups/recent-requests.js'
import { Rollups } from '../rollups/rollups.js'
import type { Link } from './link.js'
import type { ToRollupPrimary } from './rollup-messages.js'

/** Milliseconds after which the records of a dead worker are read: by then they are in the file. */
const READ_LOST_MS = 1_000

/** What a worker has told. */
interface Told {
  writer: string | null
  lastSeq: number
  /** When, in epoch milliseconds. */
  at: number
  hasEnded: boolean
}

/**
 * The rollups of all workers, in the primary. What a worker has recorded in its last second and not told of, as it was
 * killed, is read from the ledger.
 */
export class RollupServer implements RollupParts {
  readonly rollups: Rollups
  readonly recent: RecentRequests
  private readonly rebuilder: Rebuilder
  private readonly readLostMs: number
  private isClosed: boolean

  private constructor(settings: RollupSettings, readLostMs: number) {
    this.rollups = new Rollups({ zone: settings.zone })
    this.recent = new RecentRequests()
    this.rebuilder = createRebuilder(settings, this)
    this.readLostMs = readLostMs
    this.isClosed = false
  }

  /** Looks at the ledger, before the first worker, and begins to read it in the background. */
  static async open(settings: RollupSettings, readLostMs: number = READ_LOST_MS): Promise<RollupServer> {
    const server = new RollupServer(settings, readLostMs)
    void server.rebuilder.readAll(await server.rebuilder.look())
    return server
  }

  /** Hears a worker from now on, until its link closes. */
  follow(number: number, link: Link): void {
    const told: Told = { writer: null, lastSeq: 0, at: this.rollups.store.now(), hasEnded: false }
    link.receive('rollups', (value) => this.onMessage(told, value as ToRollupPrimary))
    link.onClose(() => {
      const { writer, hasEnded, lastSeq: after, at } = told
      if (writer === null || hasEnded || this.isClosed) return
      const read = (): void => {
        if (!this.isClosed) void this.rebuilder.readLost({ writer, after }, number, at)
      }
      setTimeout(read, this.readLostMs).unref()
    })
  }

  close(): void {
    this.isClosed = true
    this.rebuilder.close()
  }

  private onMessage(told: Told, message: ToRollupPrimary): void {
    if (message.kind === 'end') {
      told.hasEnded = true
      return
    }
    const { writer, lastSeq, batches, lines } = message
    told.writer = writer
    told.lastSeq = lastSeq
    told.at = this.rollups.store.now()
    for (const batch of batches) this.rollups.add(batch)
    for (const line of lines) this.recent.add(line)
  }
}
