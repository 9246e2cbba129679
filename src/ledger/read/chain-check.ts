import { firstLink, Link } from '../../lib/chain.js'

/** Records of one writer that are not as they were written: changed, removed, moved, or with others between them. */
export interface Break {
  readonly writer: string
  readonly from: number
  readonly to: number
}

/** The batch of a writer that is being read. */
interface OpenBatch {
  readonly link: Link
  readonly from: number
  to: number
}

/** First and last number of some records: of a batch, or of those before a link that is that of no batch. */
interface Numbers {
  readonly from: number
  readonly to: number
}

/** What a start has noted of its end. */
export interface ChainEnd {
  /** The link behind its last batch. */
  readonly link: string
  /** Number of its last record. */
  readonly records: number
}

interface WriterState {
  batch: OpenBatch | null
  /** Links behind batches that were read, with the last number: no first record with them was read yet. */
  readonly ends: Map<string, number>
  readonly loose: Map<string, Numbers>
  /** The batch with the highest numbers. */
  final: Numbers | null
  /** First record without a chain before it; null if there is none. */
  unchained: number | null
  isChained: boolean
  /** Last number in the files of one day, and which day that is. */
  place: string
  last: number
}

/**
 * Checks the chain of each writer: the link in the first record of a batch is that of an earlier batch. Batches of two
 * days, or of two folders, are not read in their order, so links are matched by their values. It keeps the links that
 * have no match yet, which are few, however many records there are.
 */
export class ChainCheck {
  private readonly writers: Map<string, WriterState>
  private readonly breaks: Break[]

  constructor() {
    this.writers = new Map()
    this.breaks = []
  }

  /**
   * Adds a record that was not added before.
   * @param chain the link in it, if it has one
   * @param line without its line end
   * @param place the folder and day of its file: there the numbers of a writer ascend
   */
  add(writer: string, seq: number, chain: string | undefined, line: string, place: string): void {
    const state = this.stateOf(writer)
    if (state.place === place && seq < state.last) this.breaks.push({ writer, from: seq, to: seq })
    state.place = place
    state.last = seq
    if (typeof chain === 'string') {
      const before = state.batch
      endBatch(state)
      state.isChained = true
      // The first batch of a writer follows none.
      if (chain !== firstLink(writer) && !state.ends.delete(chain))
        state.loose.set(chain, { from: before?.from ?? seq, to: seq - 1 })
      state.batch = { link: new Link(chain), from: seq, to: seq }
    }
    const { batch } = state
    if (batch === null) {
      state.unchained ??= seq
      return
    }
    batch.link.add(`${line}\n`)
    batch.to = seq
  }

  /**
   * Ends the reading.
   * @param ends of starts that ended well, by writer
   * @param isMissing whether a record is missing. A missing batch breaks the chain, and is reported already
   */
  finish(
    ends: ReadonlyMap<string, ChainEnd>,
    isMissing: (writer: string, seq: number) => boolean,
  ): readonly Break[] {
    for (const [writer, state] of this.writers) {
      endBatch(state)
      for (const { from, to } of state.loose.values())
        if (to > 0 && !isMissing(writer, to)) this.breaks.push({ writer, from: Math.min(from, to), to })
      const end = ends.get(writer)
      const hasEnd = end === undefined || end.records === 0 || state.ends.has(end.link)
      if (!hasEnd && state.final !== null && !isMissing(writer, end.records))
        this.breaks.push({ writer, ...state.final })
      // Versions before the chain wrote records without one, and no note of their end.
      if (state.unchained !== null && (state.isChained || end !== undefined))
        this.breaks.push({ writer, from: state.unchained, to: state.unchained })
    }
    return this.breaks
  }

  private stateOf(writer: string): WriterState {
    let state = this.writers.get(writer)
    if (state === undefined) {
      state = {
        batch: null,
        ends: new Map(),
        loose: new Map(),
        final: null,
        unchained: null,
        isChained: false,
        place: '',
        last: 0,
      }
      this.writers.set(writer, state)
    }
    return state
  }
}

function endBatch(state: WriterState): void {
  const { batch } = state
  if (batch === null) return
  const link = batch.link.close()
  if (!state.loose.delete(link)) state.ends.set(link, batch.to)
  if (state.final === null || batch.to > state.final.to) state.final = { from: batch.from, to: batch.to }
  state.batch = null
}
