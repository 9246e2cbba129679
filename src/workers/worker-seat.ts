import type { KeptSettings } from './kept-settings.js'
import { type Link, openLink, type ProcessLink } from './link.js'

/** Names the variables by which the primary tells a worker what it is. */
export const WORKER_ENV = {
  number: 'THINWIRE_WORKER',
  listen: 'THINWIRE_WORKER_LISTEN',
  socket: 'THINWIRE_WORKER_SOCKET',
  demo: 'THINWIRE_WORKER_DEMO',
  kept: 'THINWIRE_WORKER_KEPT',
  urgent: 'THINWIRE_WORKER_URGENT',
} as const

/** A worker's place in its relay. */
export interface WorkerSeat {
  /** From 1. No two workers that live have the same; a replacement has the number of the worker that died. */
  readonly number: number
  /** To the primary. */
  readonly link: Link
}

/** What a process knows that a primary has started. */
export interface WorkerStart extends WorkerSeat {
  readonly link: ProcessLink
  /** HOST:PORT of all workers: only the primary decides it. */
  readonly listen: string
  /** The primary's descriptor of a listening socket that was handed over to it; null if it binds `listen`. */
  readonly socket: number | null
  /** Origin of the demo upstream; null if the relay does without. */
  readonly demo: string | null
  readonly kept: KeptSettings
  /** No other worker serves: clients are refused until this one does. */
  readonly isUrgent: boolean
}

/**
 * Finds out whether this process is a worker, and removes the variables, which are for nobody else.
 * @returns null if a person or a service manager has started it
 */
export async function takeWorkerSeat(env: NodeJS.ProcessEnv): Promise<WorkerStart | null> {
  const { [WORKER_ENV.number]: text, [WORKER_ENV.listen]: listen, [WORKER_ENV.demo]: demo } = env
  const { [WORKER_ENV.socket]: socket, [WORKER_ENV.kept]: kept, [WORKER_ENV.urgent]: urgent } = env
  for (const name of Object.values(WORKER_ENV)) delete env[name]
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 1 || process.send === undefined) return null
  if (listen === undefined || kept === undefined) return null
  const { default: cluster } = await import('node:cluster')
  if (cluster.worker === undefined) return null
  // Else node:cluster ends this process at once when the primary is gone, with all its streams.
  cluster.worker.exitedAfterDisconnect = true
  const link = openLink(process as Parameters<typeof openLink>[0])
  link.greet()
  return {
    number,
    link,
    listen,
    socket: socket === undefined ? null : Number(socket),
    demo: demo ?? null,
    kept: JSON.parse(kept) as KeptSettings,
    isUrgent: urgent !== undefined,
  }
}
