export type Topic =
  | 'control'
  | 'limits'
  | 'metrics'
  | 'page'
  | 'rollups'
  | 'stored'
  | 'thoughts'
  | 'succession'
  | 'handover'

/** One end of the channel between two processes: the primary and a worker, or a process and its successor. */
export interface Link {
  /**
   * Sends a value that structured clone can copy (bigints too). Values of one turn of the event loop go in one message.
   * Never throws; nothing is sent after the close.
   */
  send(topic: Topic, value: unknown): void
  /** Sets the receiver of a topic, one for each. Values come in the order in which they were sent. */
  receive(topic: Topic, receiver: Receiver): void
  /** Called once when the other end is gone. */
  onClose(listener: () => void): void
  readonly isOpen: boolean
}

type Receiver = (value: unknown) => void

/** Topics and values in turn. An array of its own for each message, as a structured clone of it is fast. */
type Batch = unknown[]

/** Values that wait for the receiver of their topic. A topic that nobody receives does not fill the memory. */
const MOST_WAITING = 10_000

/** Collects the values of a turn, and hands those that arrive to their receivers. */
abstract class BatchingLink implements Link {
  isOpen: boolean
  private batch: Batch
  private readonly receivers: Map<Topic, Receiver>
  private readonly waiting: Map<Topic, unknown[]>
  private readonly listeners: (() => void)[]

  constructor() {
    this.isOpen = true
    this.batch = []
    this.receivers = new Map()
    this.waiting = new Map()
    this.listeners = []
  }

  send(topic: Topic, value: unknown): void {
    if (!this.isOpen) return
    if (this.batch.length === 0) setImmediate(sendBatch, this)
    this.batch.push(topic, value)
  }

  receive(topic: Topic, receiver: Receiver): void {
    this.receivers.set(topic, receiver)
    const values = this.waiting.get(topic) ?? []
    this.waiting.delete(topic)
    for (const value of values) receiver(value)
  }

  onClose(listener: () => void): void {
    if (this.isOpen) this.listeners.push(listener)
    else setImmediate(listener)
  }

  /** Sends what has been collected, at once. */
  sendNow(): void {
    const { batch } = this
    if (batch.length === 0) return
    this.batch = []
    if (this.isOpen) this.transmit(batch)
  }

  /** Sends one message to the other end. */
  protected abstract transmit(batch: Batch): void

  protected onBatch(batch: Batch): void {
    for (let i = 0; i < batch.length; i += 2) this.deliver(batch[i] as Topic, batch[i + 1])
  }

  protected onClosed(): void {
    if (!this.isOpen) return
    this.isOpen = false
    this.batch = []
    for (const listener of this.listeners.splice(0)) listener()
  }

  private deliver(topic: Topic, value: unknown): void {
    const receiver = this.receivers.get(topic)
    if (receiver !== undefined) {
      receiver(value)
      return
    }
    const values = this.waiting.get(topic)
    if (values === undefined) this.waiting.set(topic, [value])
    else if (values.length < MOST_WAITING) values.push(value)
  }
}

function sendBatch(link: BatchingLink): void {
  link.sendNow()
}

class LocalLink extends BatchingLink {
  other: LocalLink | null = null

  /** Closes both ends. Values that are on their way do not arrive, as with a process that is killed. */
  close(): void {
    this.onClosed()
    this.other?.onClosed()
  }

  /** Closes this end, and the other one in a later turn, as when two processes lose each other. */
  cut(): void {
    this.onClosed()
    const { other } = this
    setImmediate(() => other?.onClosed())
  }

  protected transmit(batch: Batch): void {
    const { other } = this
    const copy = structuredClone(batch)
    setImmediate(() => {
      if (other?.isOpen) other.onBatch(copy)
    })
  }
}

/** Two ends in one process, for tests. Values are cloned, and arrive in a later turn of the event loop. */
export function createLinkPair(): [LocalLink, LocalLink] {
  const one = new LocalLink()
  const two = new LocalLink()
  one.other = two
  two.other = one
  return [one, two]
}

/** A process that has an IPC channel: `process` itself, or a worker of node:cluster. */
export interface ChannelEnd {
  send?(message: unknown, handle: undefined, done: (error: Error | null) => void): boolean
  on(event: 'message', listener: (message: unknown) => void): unknown
  on(event: 'disconnect' | 'exit', listener: () => void): unknown
  readonly connected?: boolean
}

/** How long the channel of a process that has ended may take to say so, behind its last message; milliseconds. */
const GONE_MS = 1_000

/** A link to another process. */
export interface ProcessLink extends Link {
  /** Sends what has been collected. @returns resolves when the system has it, for a process that is about to exit */
  flush(): Promise<void>
  /** Tells the other end that this one hears it. */
  greet(): void
  /** Looks every second whether the other end is gone: Node does not say so if a socket was on its way there. */
  watch(): void
}

/** Marks the messages of a link: node:cluster and others use the channel too. */
interface LinkMessage {
  readonly thinwire: Batch
}

class ChannelLink extends BatchingLink implements ProcessLink {
  private readonly channel: ChannelEnd
  /** Messages that the system has not taken yet. */
  private unsent: number
  private flushed: (() => void)[]
  /** Whether the other end hears what is sent; until then it is kept. */
  private isHeard: boolean
  private clock: NodeJS.Timeout | null

  constructor(channel: ChannelEnd, isHeard: boolean) {
    super()
    this.channel = channel
    this.isHeard = isHeard
    this.clock = null
    this.unsent = 0
    this.flushed = []
    channel.on('message', (message) => {
      if (!isLinkMessage(message)) return
      if (!this.isHeard) {
        this.isHeard = true
        this.sendNow()
      }
      this.onBatch(message.thinwire)
    })
    channel.on('disconnect', () => this.onClosed())
    // The channel of a process that was killed does not always say so. What it has said last is read before the close.
    channel.on('exit', () => {
      setTimeout(() => setImmediate(() => this.onClosed()), GONE_MS).unref()
    })
  }

  override sendNow(): void {
    if (this.isHeard) super.sendNow()
  }

  greet(): void {
    this.transmit([])
  }

  watch(): void {
    const look = (): void => {
      if (this.channel.connected === false) this.onClosed()
    }
    this.clock ??= setInterval(look, GONE_MS).unref()
  }

  flush(): Promise<void> {
    this.sendNow()
    if (this.unsent === 0) return Promise.resolve()
    return new Promise((resolve) => this.flushed.push(resolve))
  }

  protected transmit(batch: Batch): void {
    this.unsent++
    const message: LinkMessage = { thinwire: batch }
    // Without a listener, an error would be an event that ends the process: the other end may be gone already.
    this.channel.send?.(message, undefined, () => this.onSent())
  }

  protected override onClosed(): void {
    super.onClosed()
    if (this.clock !== null) clearInterval(this.clock)
    this.unsent = 0
    this.settle()
  }

  private onSent(): void {
    if (this.unsent > 0) this.unsent--
    if (this.unsent === 0) this.settle()
  }

  private settle(): void {
    for (const resolve of this.flushed.splice(0)) resolve()
  }
}

function isLinkMessage(message: unknown): message is LinkMessage {
  return typeof message === 'object' && message !== null && 'thinwire' in message
}

/** The end of a process that has an IPC channel. */
export function openLink(channel: ChannelEnd): ProcessLink {
  return new ChannelLink(channel, true)
}

/**
 * The primary's end of the link to a worker that starts. In a worker, node:cluster hears the channel before this
 * program does, and what comes until then is lost: all waits until the worker greets.
 */
export function openWorkerLink(channel: ChannelEnd): ProcessLink {
  return new ChannelLink(channel, false)
}
