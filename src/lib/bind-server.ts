import type { AddressInfo, Server } from 'node:net'

/** Connections that may wait for a server that binds its own address. */
const BACKLOG = 1_024

/**
 * Connections that may wait at a socket of another process. They wait there while the relay restarts, so that it takes
 * as many as the system allows (net.core.somaxconn), and never fewer than that process has asked for.
 */
const MOST_BACKLOG = 65_535

/** The code of the error for a Unix socket. */
export const UNIX_SOCKET = 'ERR_UNIX_SOCKET'

/** Where a server listens: at an address of its own, or at a socket that was handed over. */
export interface ServerPlace {
  readonly host: string
  readonly port: number
  /** A listening socket that another process has opened. Host and port do not count then. */
  readonly fd?: number | undefined
  /** Other processes may listen at the same address, if they say so, too. */
  readonly reusePort?: boolean | undefined
  /** In a worker of `node:cluster`: no other worker listens there. */
  readonly exclusive?: boolean | undefined
}

/**
 * Lets a server listen. Nothing is accepted before the caller has had the address.
 * @throws the error of `listen`: EADDRINUSE, EACCES, EADDRNOTAVAIL; EINVAL, EBADF and others for an `fd` that is no
 * listening stream socket; ERR_UNIX_SOCKET
 */
export function bindServer(server: Server, place: ServerPlace): Promise<AddressInfo> {
  const { host, port, fd, reusePort, exclusive = false } = place
  return new Promise((resolve, reject) => {
    const onListening = (): void => {
      server.removeListener('error', reject)
      const address = server.address()
      if (typeof address === 'object' && address !== null) {
        resolve(address)
        return
      }
      // Its clients have no address: limits for each address, `trustedProxies` and networks of keys could not hold.
      server.close()
      reject(Object.assign(new Error('it is a Unix socket'), { code: UNIX_SOCKET }))
    }
    server.once('error', reject)
    // Node takes the backlog of such a socket from this place alone.
    if (fd !== undefined) server.listen({ fd, exclusive }, MOST_BACKLOG, onListening)
    else if (reusePort === true)
      server.listen({ host, port, backlog: BACKLOG, reusePort, exclusive }, onListening)
    else server.listen({ host, port, backlog: BACKLOG, exclusive }, onListening)
  })
}
