import type { Socket } from 'node:net'
import { buildConnector } from 'undici'

/** An upstream's reset, under a name that undici does not take for an end. */
const RESET = 'UPSTREAM_RESET'

/**
 * undici's connector, with sockets that keep two things from its parser that it does not bear (7.30.2,
 * lib/dispatcher/client-h1.js). Both concern answers that end with their connection: `Connection: close`, HTTP/1.0.
 *
 * - An end that comes while the client is slow and the parser therefore paused: `finish` asserts that it is not, in an
 *   event handler, and the process would end. It is held back until undici reads again.
 * - A reset: taken for the end of such an answer, so that a cut would look whole. It is given another code.
 */
export function makeConnector(options: buildConnector.BuildOptions): buildConnector.connector {
  const connect = buildConnector(options)
  return (target, callback) => {
    connect(target, (...result) => {
      const [error, socket] = result
      if (error === null) guard(socket)
      callback(...result)
    })
  }
}

function guard(socket: Socket): void {
  const { push, read, destroy } = socket
  let asked = false
  let ended = false
  socket.read = (size) => {
    asked = true
    if (ended && size !== 0) {
      ended = false
      process.nextTick(end)
    }
    return read.call(socket, size)
  }
  socket.push = (piece, encoding) => {
    if (piece !== null) return push.call(socket, piece, encoding)
    // Whoever is not paused reads when there is something new.
    asked = false
    socket.emit('readable')
    if (asked || socket.destroyed) return push.call(socket, null)
    ended = true
    return false
  }
  socket.destroy = (error) => {
    if ((error as NodeJS.ErrnoException | undefined)?.code === 'ECONNRESET') {
      return destroy.call(
        socket,
        Object.assign(new Error('reset by the upstream', { cause: error }), { code: RESET }),
      )
    }
    return destroy.call(socket, error)
  }
  function end(): void {
    push.call(socket, null)
    read.call(socket, 0)
  }
}
