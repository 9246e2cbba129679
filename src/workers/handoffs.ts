import type { ChildProcess } from 'node:child_process'

/** A connection on its way to a worker. node:cluster closes its copy once the worker has it. */
interface NativeHandle {
  /** Below zero once it is closed, on Linux and macOS. */
  readonly fd?: number
  close(): void
}

/**
 * Looks after the connection that is on its way to a worker: there is one at most. If the worker dies before it has
 * taken it, node:cluster forgets it, and its client would wait for ever.
 * @returns closes that connection, once the worker is dead
 */
export function closeHandoffs(process: ChildProcess): () => void {
  let latest: NativeHandle | null = null
  const send = process.send.bind(process) as (...args: unknown[]) => boolean
  process.send = (...args: unknown[]): boolean => {
    if (isNativeHandle(args[1])) latest = args[1]
    return send(...args)
  }
  return () => {
    if (latest !== null && (latest.fd ?? -1) >= 0) latest.close()
    latest = null
  }
}

function isNativeHandle(value: unknown): value is NativeHandle {
  return typeof value === 'object' && value !== null && 'close' in value && 'fd' in value
}
