import { isIP } from 'node:net'
import { VERSION } from '../version.js'
import type { BaseUrl } from './base-url.js'
import type { EventsSeen } from './events.js'
import type { Seen } from './finding.js'
import type { Front } from './front.js'
import { type FrontFault, findFrontFault } from './front-fault.js'
import { type HttpResponse, isResponse, type RequestFailure, send } from './http-request.js'
import type { Reach } from './reach.js'
import type { FindPlace } from './refusal.js'

/** A precondition of a check. */
export type Need = 'address' | 'connection' | 'relay' | 'path' | 'trust' | 'key' | 'model' | 'size'

/** What to examine, and how. */
export interface VisitOptions {
  readonly base: BaseUrl
  readonly key: string
  /** The models to try. Empty: all that are listed. */
  readonly models: readonly string[]
  /** How many of the listed models are tried. */
  readonly modelsMax: number
  /** Play Cursor's agent with each model. */
  readonly cursor: boolean
  /** Send each model the bodies of all APIs, not only the one that Cursor chooses by its name. */
  readonly allShapes: boolean
  /** Where the relay sends a model, as far as its config is known here. */
  readonly findPlace: FindPlace
  /** The entry of `modelTraits` that the relay had to learn for a model in this run; null if there is none. */
  readonly findLearned: (model: string) => string | null
  readonly timeoutMs: number
  /** Silence of a stream to test; 0 for none. */
  readonly idleMs: number
  /** Certificates of the trusted authorities, PEM. */
  readonly roots: readonly string[]
  /** Ends the requests of the visit. */
  readonly signal?: AbortSignal
}

/** One examination of a base URL: its options, and what the checks so far have found for the later ones. */
export class Visit {
  readonly base: BaseUrl
  readonly key: string
  readonly cursor: boolean
  readonly allShapes: boolean
  readonly findPlace: FindPlace
  readonly findLearned: VisitOptions['findLearned']
  readonly idleMs: number
  readonly roots: readonly string[]
  private readonly signal: AbortSignal | undefined
  readonly deadline: number
  readonly timeoutMs: number
  /** The models that were named. Empty: all that are listed. */
  readonly named: readonly string[]
  readonly modelsMax: number
  /** The names in the list of models. */
  listed: readonly string[] = []
  /** The model of the checks that need any one. */
  model: string | null
  reach: Reach
  /** The host's addresses. */
  addresses: readonly string[]
  front: Front | null = null
  /** The server is known to be a Thinwire. */
  thinwire = false
  /** The first thing in front of the relay that keeps requests from it; nothing behind it can be judged. */
  fault: FrontFault | null = null
  /** What is wrong with the CORS headers of a preflight. */
  preflightFlaw: string | null = null
  /** Preconditions that are not met, each with the reason. */
  readonly missing = new Map<Need, string>()
  /** The certificate is valid or was not checked. */
  trusted = true
  /** Responses to requests with an Origin, each with a name: may a page read them? */
  readonly readable: Array<readonly [string, HttpResponse]> = []
  /** Responses that the relay made itself: their date is by the relay's clock. */
  readonly local: HttpResponse[] = []
  readonly streams: Array<{ readonly response: HttpResponse; readonly events: EventsSeen }> = []

  constructor(options: VisitOptions) {
    this.base = options.base
    this.key = options.key
    this.named = options.models
    this.modelsMax = options.modelsMax
    this.model = options.models[0] ?? null
    this.cursor = options.cursor
    this.allShapes = options.allShapes
    this.findPlace = options.findPlace
    this.findLearned = options.findLearned
    this.idleMs = options.idleMs
    this.roots = options.roots
    this.signal = options.signal
    this.timeoutMs = options.timeoutMs
    this.deadline = performance.now() + options.timeoutMs
    this.reach = options.base.reach ?? 'public'
    this.addresses = isIP(options.base.host) === 0 ? [] : [options.base.host]
  }

  get leftMs(): number {
    return this.deadline - performance.now()
  }

  /**
   * Sends a request to the base URL's server.
   * @param share of the whole time that it may take
   * @param beyondMs extra time, beyond the time for checks
   */
  async send(
    method: string,
    url: URL,
    headers: Readonly<Record<string, string>>,
    body: Buffer | string | null,
    share: number,
    beyondMs = 0,
  ): Promise<HttpResponse | RequestFailure> {
    const timeoutMs = Math.max(1, Math.min(this.leftMs, this.timeoutMs * share)) + beyondMs
    const outcome = await send({
      method,
      url,
      headers: { 'user-agent': `thinwire-doctor/${VERSION}`, ...headers },
      body: typeof body === 'string' ? Buffer.from(body) : body,
      timeoutMs,
      roots: this.trusted ? this.roots : null,
      ...(this.signal === undefined ? {} : { signal: this.signal }),
    })
    if (isResponse(outcome))
      this.fault ??= findFrontFault(outcome, { method, hasKey: 'authorization' in headers }, this)
    return outcome
  }

  /** The key as Cursor sends it. */
  get authorization(): Readonly<Record<string, string>> {
    return { authorization: `Bearer ${this.key}` }
  }
}

/** One line of the report: its preconditions, and how the result is found. */
export interface Check {
  readonly name: string
  readonly needs: readonly Need[]
  /** A further reason to skip the check, or null. */
  readonly skipReason?: (visit: Visit) => string | null
  /** It uses only results of other checks, or has a time limit of its own. */
  readonly untimed?: true
  readonly tried: (visit: Visit) => string
  readonly run: (visit: Visit) => Seen | Promise<Seen>
}
