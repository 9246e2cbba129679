import type { ListeningHandle } from '../lib/listening-handle.js'
import type { Link } from './link.js'

/** What a process tells the successor that it has started. */
export type ToSuccessor =
  /** Another successor is to be started: send the listening sockets (`SentSocket`). */
  | { readonly type: 'lend' }
  /** It starts: send what it is to know. */
  | { readonly type: 'bequeath' }
  /** It has failed: go on. Said to the process that was to be replaced. */
  | { readonly type: 'keep' }
  /** The process that was to be replaced retires: it is this one that serves. */
  | { readonly type: 'confirmed' }
  /** The successor serves: accept no connections, and end when those that are open have ended. */
  | { readonly type: 'retire' }

/** What a successor tells the process that has started it. */
export type ToParent =
  /** It serves. */
  | { readonly type: 'ready' }
  /** It cannot start. It ends by itself. */
  | { readonly type: 'failed'; readonly message: string }
  /** It was asked to restart: its guardian does that. */
  | { readonly type: 'restart' }
  /** It has no socket that could be lent. */
  | { readonly type: 'bare' }

/** For clients, for scrapers, and for the page. */
export type SocketName = 'relay' | 'metrics' | 'page'

/** A message with which a listening socket comes. */
export interface SentSocket {
  readonly thinwireSocket: SocketName
  /** How many sockets there are. */
  readonly of: number
  readonly isTakenOver: boolean
}

export function isSentSocket(message: unknown): message is SentSocket {
  return typeof message === 'object' && message !== null && 'thinwireSocket' in message
}

/** Listening sockets that a successor is to get. */
export interface LentSockets {
  readonly relay: ListeningHandle
  /** Null if metrics have none. */
  readonly metrics: ListeningHandle | null
  /** Null if the page has none. */
  readonly page: ListeningHandle | null
  /** This relay has bound the socket for clients, so that nobody else keeps it open. */
  readonly isTakenOver: boolean
}

/** Those that there are; that of the relay comes first. */
export function listSockets({ relay, metrics, page }: LentSockets): [SocketName, ListeningHandle][] {
  const all: [SocketName, ListeningHandle][] = [['relay', relay]]
  if (metrics !== null) all.push(['metrics', metrics])
  if (page !== null) all.push(['page', page])
  return all
}

export function tellSuccessor(link: Link, message: ToSuccessor): void {
  link.send('succession', message)
}

export function tellParent(link: Link, message: ToParent): void {
  link.send('succession', message)
}

export function hearParent(link: Link, listener: (message: ToSuccessor) => void): void {
  link.receive('succession', (value) => listener(value as ToSuccessor))
}

export function hearSuccessor(link: Link, listener: (message: ToParent) => void): void {
  link.receive('succession', (value) => listener(value as ToParent))
}
