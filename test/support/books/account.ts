import { emptySum, type Sum } from './ledger-sum.js'
import { type Api, charge, drawUsed, type Used } from './tariff.js'

/** What becomes of a group of requests, and how often of so many. */
const KINDS = {
  stream: 20,
  whole: 15,
  compressed: 5,
  'failed with usage': 3,
  'cut after usage': 3,
  cut: 5,
  'error event': 4,
  left: 8,
  failover: 8,
  limited: 3,
  invalid: 3,
  'wrong key': 3,
  hedged: 8,
  cached: 6,
  stored: 3,
  background: 3,
  socket: 3,
} as const

/** Of the two that are held: a stream, and a response on a WebSocket, that neither side ends until the relay is killed. */
export type Kind = keyof typeof KINDS | 'held' | 'held socket'

/** Kinds whose client gets no whole answer, or one without usage: their tokens may be estimated. */
const WITHOUT_USAGE: ReadonlySet<Kind> = new Set(['cut', 'error event', 'left', 'held', 'held socket'])

/** One request. */
export interface Sent {
  readonly trace: string
  readonly group: Group
  /** `performance.now()` when it came to the provider; 0 if it never did. */
  reachedAt: number
  /** Something of an answer has come to the client. */
  answered: boolean
  /** Status of a whole answer; null if there was none. */
  status: number | null
  /** `performance.now()` when the client had its answer, or its end; 0 as long as it waits. */
  endedAt: number
  /** The client has left by itself. */
  hasLeft: boolean
  /** Attempts that the provider has got, and the upstreams that they came to. */
  readonly asked: string[]
}

/** What the provider has charged for a response whose usage has left it. */
export interface Charge {
  readonly upstream: string
  readonly trace: string
  readonly used: Used
  readonly cost: bigint
}

/** Requests that belong together: most kinds have one, an object has its POST and its GETs. */
export interface Group {
  readonly kind: Kind
  readonly api: Api
  /** Of the relay that it was sent to. */
  readonly life: number
  readonly team: string
  readonly key: string
  readonly tags: string | null
  readonly used: Used
  readonly random: () => number
  readonly sents: Sent[]
  readonly charges: Charge[]
  /** Responses that its WebSocket asked for; 0 for others. */
  responses: number
}

/** The provider's account: what was asked of it, and what it charges for. */
export class Account {
  readonly sents = new Map<string, Sent>()
  readonly groups: Group[] = []

  open(kind: Kind, key: { team: string; text: string }, life: number, random: () => number): Group {
    const api = drawApi(kind, random)
    const tag = Math.floor(random() * 4)
    const group: Group = {
      kind,
      api,
      life,
      team: key.team,
      key: key.text,
      tags: tag === 0 ? null : `project=p${tag}`,
      used: drawUsed(api, random),
      random,
      sents: [],
      charges: [],
      responses: 0,
    }
    this.groups.push(group)
    return group
  }

  /** A request of the group that is about to be sent. */
  add(group: Group): Sent {
    const trace = (this.sents.size + 1).toString(16).padStart(32, '0')
    const asked: string[] = []
    const seen = { reachedAt: 0, answered: false, status: null, endedAt: 0, hasLeft: false, asked }
    const sent: Sent = Object.assign({ trace, group }, seen)
    group.sents.push(sent)
    this.sents.set(trace, sent)
    return sent
  }

  /** Its end, with its usage, has left. */
  charge(sent: Sent, upstream: string, used: Used): void {
    sent.group.charges.push({ upstream, trace: sent.trace, used, cost: charge(used) })
  }
}

/** Whether the records of a group must have all that was charged, and nothing else. */
export function hasUsage({ kind }: Group): boolean {
  return !WITHOUT_USAGE.has(kind)
}

/** The charges as the records should have them. */
export function sumCharges(charges: readonly Charge[], requests: number): Sum {
  const sum = emptySum()
  sum.requests = requests
  for (const { used, cost } of charges) {
    sum.prompt += BigInt(used.prompt)
    sum.cached += BigInt(used.cached)
    sum.written += BigInt(used.written + used.writtenHour)
    sum.writtenHour += BigInt(used.writtenHour)
    sum.completion += BigInt(used.completion)
    sum.reasoning += BigInt(used.reasoning)
    sum.searches += BigInt(used.searches)
    sum.cost += cost
  }
  return sum
}

export function drawKind(random: () => number): Kind {
  const kinds = Object.entries(KINDS) as [keyof typeof KINDS, number][]
  let left = random() * kinds.reduce((sum, [, weight]) => sum + weight, 0)
  for (const [kind, weight] of kinds) {
    left -= weight
    if (left < 0) return kind
  }
  return 'stream'
}

function drawApi(kind: Kind, random: () => number): Api {
  const apis = ['chat', 'messages', 'responses'] as const
  const any = apis[Math.floor(random() * apis.length)] ?? 'chat'
  switch (kind) {
    case 'cached':
      return 'completions'
    case 'failed with usage':
    case 'stored':
    case 'background':
    case 'socket':
    case 'held socket':
      return 'responses'
    case 'hedged':
    case 'held':
      return 'chat'
    default:
      return any
  }
}
