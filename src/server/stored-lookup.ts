import type { InFlight } from '../exchange/in-flight.js'
import type { OpenRecord } from '../exchange/open-record.js'
import type { KnownObjects, LocateRequest } from '../stored/locate.js'
import type { StoredObject } from '../stored/object-map.js'
import type { StoredObjects } from '../stored/stored-objects.js'
import { mayMake } from '../stored/stored-path.js'
import type { Recorder } from './recorder.js'

type LookedUp = Pick<StoredObjects, 'find' | 'learn' | 'isVisible' | 'isShared' | 'ask' | 'answerWith'>

/**
 * Finds stored objects, also those that were made a moment ago: by a request whose summary has not been handed on, or
 * by one that is under way (a client may ask for an object whose stream it still reads).
 */
export class StoredLookup implements KnownObjects {
  private readonly stored: LookedUp
  private readonly recorder: Pick<Recorder, 'flush' | 'hasUnread' | 'whenRead'>
  private readonly inFlight: Pick<InFlight, 'find'>

  constructor(
    stored: LookedUp,
    recorder: Pick<Recorder, 'flush' | 'hasUnread' | 'whenRead'>,
    inFlight: Pick<InFlight, 'find'>,
  ) {
    this.stored = stored
    this.recorder = recorder
    this.inFlight = inFlight
    stored.answerWith((ids) => this.look(ids))
  }

  /** O(1) for an object that is known; for another, it looks at every open request. */
  find(id: string): StoredObject | null {
    const known = this.stored.find(id)
    if (known !== null) return known
    this.recorder.flush()
    let maker: OpenRecord | undefined
    this.inFlight.find((exchange) => {
      maker = makes(exchange, id) ? exchange : exchange.responses?.find((response) => makes(response, id))
      return maker !== undefined
    })
    if (maker !== undefined) this.stored.learn(maker.request, maker.outcome)
    return this.stored.find(id)
  }

  isVisible(object: StoredObject, request: LocateRequest): boolean {
    return this.stored.isVisible(object, request)
  }

  isBehind(): boolean {
    return this.stored.isShared || this.hasUnread
  }

  /**
   * Resolves when objects are known that may be known in a moment.
   * @throws {Error} it cannot be found out whose they are
   */
  async whenKnown(ids: readonly string[]): Promise<void> {
    if (this.hasUnread || !this.stored.isShared) await this.recorder.whenRead()
    const unknown = this.stored.isShared ? ids.filter((id) => this.find(id) === null) : []
    if (unknown.length > 0) await this.stored.ask(unknown)
  }

  private get hasUnread(): boolean {
    return this.recorder.hasUnread(({ request }) => mayMake(request))
  }

  /** Another worker asks for objects: learns those that were made here. */
  private async look(ids: readonly string[]): Promise<void> {
    for (const id of ids) this.find(id)
    if (!this.hasUnread) return
    await this.recorder.whenRead()
    this.recorder.flush()
  }
}

function makes({ request, outcome }: OpenRecord, id: string): boolean {
  return request.method === 'POST' && outcome.meter?.readStats().object.id === id
}
