import type { InheritedSockets } from '../config/inherited-sockets.js'
import { Inheritance } from './inheritance.js'
import { openLink, type ProcessLink } from './link.js'
import type { LentSockets, SentSocket } from './succession-messages.js'

/** Names the variable by which a process tells its successor what it is (`SuccessorPlace`, as JSON). */
export const SUCCESSOR_ENV = 'THINWIRE_SUCCESSOR'

/** What the process that starts a successor says to it. */
export interface SuccessorPlace {
  /** Descriptor of the socket for metrics; null if there is none. That for clients is the first one. */
  readonly metrics: number | null
  readonly isTakenOver: boolean
  /** The process that has started it stays until it ends. */
  readonly isGuarded: boolean
  /** The process whose place it takes. */
  readonly follows: number
}

/** The descriptor of the socket for clients. */
export const FIRST_FD = 3

/** What a process knows that takes the place of another one. */
export interface SuccessorStart extends SuccessorPlace {
  /** To the process that has started it. */
  readonly link: ProcessLink
  readonly inheritance: Inheritance
  readonly sockets: InheritedSockets
  /** It is its own parent whose place it takes. */
  readonly followsParent: boolean
}

/**
 * Finds out whether this process takes the place of another one, and removes the variable, which is for nobody else.
 * @returns null if a person or a service manager has started it
 */
export function takeSuccessorSeat(env: NodeJS.ProcessEnv): SuccessorStart | null {
  const { [SUCCESSOR_ENV]: text = '' } = env
  delete env[SUCCESSOR_ENV]
  if (process.send === undefined) return null
  const place = JSON.parse(text) as SuccessorPlace
  const link = openLink(process as Parameters<typeof openLink>[0])
  const { metrics, isTakenOver } = place
  const sockets = { relay: FIRST_FD, metrics: metrics ?? undefined, isTakenOver }
  const followsParent = place.follows === process.ppid
  return { ...place, link, inheritance: new Inheritance(link), sockets, followsParent }
}

/** Sends the guardian of this process its sockets. It keeps them, too. */
export function sendSockets({ relay, metrics, isTakenOver }: LentSockets): void {
  const send = process.send?.bind(process) as
    | ((message: SentSocket, handle: unknown, done: () => void) => boolean)
    | undefined
  const of = metrics === null ? 1 : 2
  // A guardian that is gone gets nothing, and its link is closed.
  const done = (): void => {}
  send?.({ thinwireSocket: 'relay', of, isTakenOver }, relay, done)
  if (metrics !== null) send?.({ thinwireSocket: 'metrics', of, isTakenOver }, metrics, done)
}
