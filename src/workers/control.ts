import type { Link } from './link.js'

/** How many workers are ready to serve, for `/readyz`. */
export interface Standing {
  readonly ready: number
  readonly of: number
}

/** Where all workers listen. The hosts are as a person is shown them; null if metrics are off. */
export interface SharedPorts {
  readonly host: string
  readonly port: number
  readonly metricsHost: string | null
  readonly metricsPort: number | null
}

/** What the primary tells a worker. */
export type ToWorker =
  /** End when the open requests have ended. `isProbed`: a balancer goes by `/readyz` of one of the workers. */
  | { readonly type: 'drain'; readonly signal: string; readonly isProbed: boolean }
  /** A new worker has taken over: accept no connections, serve those that are open until they end. */
  | { readonly type: 'retire' }
  /** End at once. */
  | { readonly type: 'stop'; readonly signal: string; readonly exitCode: number }
  /** Read the config again. */
  | { readonly type: 'reload' }
  /** The primary has issued the first key. */
  | { readonly type: 'keys' }
  | ({ readonly type: 'standing' } & Standing)

/** What a worker tells the primary. */
export type ToPrimary =
  | ({ readonly type: 'listening' } & SharedPorts)
  /** It is warm, and takes connections. */
  | { readonly type: 'ready' }
  /** It cannot start. It ends by itself. */
  | { readonly type: 'failed'; readonly message: string; readonly exitCode: number }
  /** A balancer has asked it for `/readyz`. */
  | { readonly type: 'asked' }

export function tellWorker(link: Link, message: ToWorker): void {
  link.send('control', message)
}

export function tellPrimary(link: Link, message: ToPrimary): void {
  link.send('control', message)
}

export function hearPrimary(link: Link, listener: (message: ToWorker) => void): void {
  link.receive('control', (value) => listener(value as ToWorker))
}

export function hearWorker(link: Link, listener: (message: ToPrimary) => void): void {
  link.receive('control', (value) => listener(value as ToPrimary))
}
