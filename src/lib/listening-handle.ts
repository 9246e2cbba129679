import type { Server } from 'node:net'

/**
 * A listening socket as Node has it inside of a server. Node documents no way to learn its descriptor, so that this is
 * the only place that looks.
 */
export interface ListeningHandle {
  readonly fd: number
  close(): void
}

/** @returns null if the server does not listen, or this version of Node keeps its socket elsewhere */
export function findListeningHandle(server: Server): ListeningHandle | null {
  const { _handle: handle } = server as unknown as { readonly _handle?: unknown }
  return server.listening && isListeningHandle(handle) ? handle : null
}

/** Whether a value, such as what came with a message of another process, is such a socket. */
export function isListeningHandle(value: unknown): value is ListeningHandle {
  if (typeof value !== 'object' || value === null || !('close' in value)) return false
  const { fd } = value as { readonly fd?: unknown }
  return typeof fd === 'number' && Number.isSafeInteger(fd) && fd >= 0
}
