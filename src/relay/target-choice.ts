import type { RequestFacts } from '../exchange/request-facts.js'
import type { FailureKind } from '../routing/outcome.js'
import {
  type Decision,
  decide,
  isFailoverDefault,
  isIdempotent,
  RETRY_POLICY,
} from '../routing/retry-policy.js'
import type { Target } from '../routing/route.js'
import { TargetWalk } from '../routing/target-walk.js'
import type { Upstream } from '../upstream/upstream.js'
import type { Attempt, ResponseHead } from './attempt.js'
import type { FailoverOptions } from './failover-options.js'
import { isReadable } from './probed-response.js'

/** How often a request is changed and sent once more: a model may refuse one field after another. */
const MOST_CORRECTIONS = 3

/** What vendors answer to a request that their model does not take. */
const REFUSALS: readonly number[] = [400, 404, 422]

/** Chooses the target of each attempt of one request, by the order of its route and the retry policy. */
export class TargetChoice {
  /** Whether the request may be repeated although an upstream may have acted on it. */
  private readonly mayRepeat: boolean
  private readonly request: Pick<RequestFacts, 'method' | 'path' | 'background'>
  private readonly firstTokenMs: number | null
  private readonly isConversation: boolean
  private readonly walk: TargetWalk<Upstream>

  constructor(request: Pick<RequestFacts, 'method' | 'path' | 'background'>, options: FailoverOptions) {
    this.mayRepeat = options.failover ?? isFailoverDefault(request.method, request.path)
    this.request = request
    this.firstTokenMs = options.firstTokenMs
    this.isConversation = options.correct !== null
    this.walk = new TargetWalk(options.targets, options.order)
  }

  /** The request may be sent twice to one upstream, also if that has acted on it. */
  get isRepeatable(): boolean {
    return this.mayRepeat || isIdempotent(this.request.method)
  }

  /** Whether a target is left to try. */
  hasNext(): boolean {
    return this.walk.hasNext()
  }

  /** The next target, if it is healthy; else null. */
  peekHealthy(now: number): Target<Upstream> | null {
    const next = this.walk.peek()
    return next.breaker.allows(now) && next.credential.allows(now) ? next : null
  }

  take(): Target<Upstream> {
    this.walk.hasNext()
    return this.walk.take()
  }

  /** The target to try after the failure of one. To be called only if there is one. */
  takeAfter({ upstream }: Target<Upstream>, kind: FailureKind): Target<Upstream> {
    this.walk.place(upstream, RETRY_POLICY[kind].keys)
    return this.take()
  }

  /** @param open number of attempts that may still give a response, this one included */
  decide({ target, isRetry, corrections }: Attempt, kind: FailureKind, open: number): Decision {
    return decide(kind, {
      retried: kind === 'correctable' ? corrections >= MOST_CORRECTIONS : isRetry,
      hasKey: this.walk.hasKey(target.upstream),
      hasOther: open > 1 || this.walk.hasOther(target.upstream),
      failover: this.mayRepeat,
      idempotent: isIdempotent(this.request.method),
    })
  }

  /** Whether a refusal may say how the request can be changed. */
  mayCorrect(attempt: Attempt, status: number): boolean {
    return (
      this.isConversation && REFUSALS.includes(status) && this.decide(attempt, 'correctable', 1) === 'same'
    )
  }

  /**
   * Whether the beginning of a response is held until it has content.
   * @param hasOther there is another response that the client could get, or another attempt
   */
  mayProbe({ status, raw }: ResponseHead, hasOther: boolean): boolean {
    if (status !== 200 || !this.mayRepeat || !(hasOther || this.walk.hasNext())) return false
    const { method, background } = this.request
    // What is made in the background exists from its head on: another target would make it a second time.
    if (background === true) return false
    return this.firstTokenMs !== null || (method === 'POST' && isReadable(raw))
  }
}
