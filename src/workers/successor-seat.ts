import type { InheritedSockets } from '../config/inherited-sockets.js'
import { Inheritance } from './inheritance.js'
import { openLink, type ProcessLink } from './link.js'
import { type LentSockets, listSockets, type SentSocket, type SocketName } from './succession-messages.js'

/** Names the variable by which a process tells its successor what it is (`SuccessorPlace`, as JSON). */
export const SUCCESSOR_ENV = 'THINWIRE_SUCCESSOR'

/** What the process that starts a successor says to it. */
export interface SuccessorPlace {
  /** Sockets, in the order of their descriptors. */
  readonly sockets: readonly SocketName[]
  readonly isTakenOver: boolean
  /** The process that has started it stays until it ends. */
  readonly isGuarded: boolean
  /** The process whose place it takes. */
  readonly follows: number
}

/** The descriptor of the first socket. */
export const FIRST_FD = 3

/** What a process knows that takes the place of another one. */
export interface SuccessorStart extends Omit<SuccessorPlace, 'sockets'> {
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
  const find = (name: SocketName): number | undefined => {
    const index = place.sockets.indexOf(name)
    return index < 0 ? undefined : FIRST_FD + index
  }
  const { isTakenOver } = place
  const sockets = { relay: find('relay'), metrics: find('metrics'), page: find('page'), isTakenOver }
  const followsParent = place.follows === process.ppid
  return { ...place, link, inheritance: new Inheritance(link), sockets, followsParent }
}

/** Sends the guardian of this process its sockets. It keeps them, too. */
export function sendSockets(lent: LentSockets): void {
  const send = process.send?.bind(process) as
    | ((message: SentSocket, handle: unknown, done: () => void) => boolean)
    | undefined
  const sockets = listSockets(lent)
  const { isTakenOver } = lent
  // A guardian that is gone gets nothing, and its link is closed.
  const done = (): void => {}
  for (const [name, handle] of sockets)
    send?.({ thinwireSocket: name, of: sockets.length, isTakenOver }, handle, done)
}
