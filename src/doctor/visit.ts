import { isIP } from 'node:net'
import { VERSION } from '../version.js'
import type { BaseUrl } from './base-url.js'
import type { EventsSeen } from './events.js'
import type { Seen } from './finding.js'
import type { Front } from './front.js'
import type { Reach } from './reach.js'
import { type Answer, send, type Trouble } from './wire.js'

/** What a check cannot do without. */
export type Need = 'address' | 'connection' | 'relay' | 'path' | 'trust' | 'key' | 'model' | 'size'

export interface VisitOptions {
  readonly base: BaseUrl
  readonly key: string
  /** Null to take one of those that are listed. */
  readonly model: string | null
  /** Whether all the bodies are tried that Cursor sends. */
  readonly cursor: boolean
  readonly timeoutMs: number
  /** How long a stream is to be silent; 0 if that is not tried. */
  readonly idleMs: number
  /** Certificates of the authorities that are trusted, PEM. */
  readonly roots: readonly string[]
}

/** One look at a base URL: what is asked for, and what the checks so far have found for those that come. */
export class Visit {
  readonly base: BaseUrl
  readonly key: string
  readonly cursor: boolean
  readonly idleMs: number
  readonly roots: readonly string[]
  readonly deadline: number
  readonly timeoutMs: number
  model: string | null
  reach: Reach
  /** Of the host. */
  addresses: readonly string[]
  front: Front | null = null
  /** Whether it is known to be a Thinwire. */
  thinwire = false
  /** What is lacking, and why. */
  readonly lacking = new Map<Need, string>()
  /** The certificate is in order, or not looked at. */
  trusted = true
  /** Answers as a browser gets them, by what they answer: are they readable to it? */
  readonly readable: Array<readonly [string, Answer]> = []
  /** Answers of the relay's own: their clock is the relay's. */
  readonly local: Answer[] = []
  readonly streams: Array<{ readonly answer: Answer; readonly events: EventsSeen }> = []

  constructor(options: VisitOptions) {
    this.base = options.base
    this.key = options.key
    this.model = options.model
    this.cursor = options.cursor
    this.idleMs = options.idleMs
    this.roots = options.roots
    this.timeoutMs = options.timeoutMs
    this.deadline = performance.now() + options.timeoutMs
    this.reach = options.base.reach ?? 'public'
    this.addresses = isIP(options.base.host) === 0 ? [] : [options.base.host]
  }

  get leftMs(): number {
    return this.deadline - performance.now()
  }

  /**
   * @param share of the whole time that it may take, at most
   * @param beyondMs longer than that, where the time is not for checks alone
   */
  ask(
    method: string,
    url: URL,
    headers: Readonly<Record<string, string>>,
    body: Buffer | string | null,
    share: number,
    beyondMs = 0,
  ): Promise<Answer | Trouble> {
    const boundMs = Math.max(1, Math.min(this.leftMs, this.timeoutMs * share)) + beyondMs
    return send({
      method,
      url,
      headers: { 'user-agent': `thinwire-doctor/${VERSION}`, ...headers },
      body: typeof body === 'string' ? Buffer.from(body) : body,
      boundMs,
      roots: this.trusted ? this.roots : null,
    })
  }

  /** The key as Cursor sends it. */
  get authorization(): Readonly<Record<string, string>> {
    return { authorization: `Bearer ${this.key}` }
  }
}

/** One line of the report: what it needs, and how it is found out. */
export interface Check {
  readonly name: string
  readonly needs: readonly Need[]
  /** Beside them: why it is pointless, or null. */
  readonly pointless?: (visit: Visit) => string | null
  /** It looks at what others have seen, or has time of its own. */
  readonly untimed?: true
  readonly tried: (visit: Visit) => string
  readonly run: (visit: Visit) => Seen | Promise<Seen>
}
