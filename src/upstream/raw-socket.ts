/** Reads the body of a response as it comes from the socket, with its chunk framing, in place of undici's parser. */
export interface RawBodyReader {
  /** @returns false to pause the socket until `TappedSocket.goOn` */
  onWire(piece: Buffer): boolean
}

/** Changes data on its way to a reader; it may hold some of it back until the next data. */
export interface WireFilter {
  push(data: Buffer): Buffer
  /** @returns what is held back */
  end(): Buffer
}

/** The connection of a response with a chunked body: its chunks can be read with their framing, as they arrive. */
export interface RawSocket {
  /** Gives the data behind the head to a reader, until the reader gives the connection back. */
  take(reader: RawBodyReader): void
  /** Has the data behind the head filtered before a reader gets it. */
  filterWith(filter: WireFilter): void
  /**
   * Gives the connection back to the parser.
   * @param rest the end of the data that the reader got last, beginning with a size line
   * @returns what `onWire` has to return
   */
  giveBack(rest: Buffer): boolean
  /**
   * Passes on data that a reader has held back, to the reader that has taken its place or else to the parser.
   * @param from the reader that held it
   * @returns what `onWire` has to return
   */
  passOn(held: Buffer, from: RawBodyReader): boolean
  /** Resumes after `onWire` has returned false. */
  goOn(): void
  /** Destroys the connection, for a body with invalid framing. */
  fail(error: Error): void
}

/**
 * The connection whose response head is being handed over now. The handlers have undici's interface, which has no
 * place for it, so this variable bridges the one synchronous call of `onHeaders`; it is null at any other time. No
 * other code should read it: from `onHeaders` on, the socket is passed along with the head.
 */
let offered: RawSocket | null = null

/** Offers a connection to the handler that is called next, or none. To be called around `onHeaders`. */
export function offerRawSocket(socket: RawSocket | null): void {
  offered = socket
}

/**
 * Takes the connection of the response whose head has just been parsed. To be called first thing in `onHeaders`, and
 * once: a second call returns null. Until `onHeaders` returns, the body may be diverted (`RawSocket.take`).
 * @returns null if the body is not chunked, or if undici's client has read the head in several parts
 */
export function takeRawSocket(): RawSocket | null {
  const socket = offered
  offered = null
  return socket
}

/** Filters the body whose head is being parsed, for the reader that takes its socket, if one does. */
export function filterRawSocket(filter: WireFilter): void {
  offered?.filterWith(filter)
}
