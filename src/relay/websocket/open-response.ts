import type { SocketResponse } from '../../exchange/socket-response.js'
import type { Upstream } from '../../upstream/upstream.js'

/** An open response and what it takes up. */
export interface OpenResponse {
  readonly response: SocketResponse
  /** Null before it is sent. */
  upstream: Upstream | null
  /** It counts against the limits of the key, beside the connection itself. */
  readonly takesPlace: boolean
}

/** The response of a lane that an event without an id is of; null for none. */
export function findCurrent(open: readonly OpenResponse[], lane: string): OpenResponse | null {
  const inLane = open.filter(({ response }) => response.lane === lane)
  const begun = inLane.filter(({ response }) => response.upstreamId !== null)
  const current = begun.findLast(({ response }) => response.failedAt === null)
  return current ?? findPending(open, lane) ?? begun.at(-1) ?? null
}

/** The first response of a lane that was sent and that no event has come of; null for none. */
export function findPending(open: readonly OpenResponse[], lane: string): OpenResponse | null {
  const isPending = ({ response }: OpenResponse): boolean => response.wasSent && response.upstreamId === null
  return open.find((entry) => isPending(entry) && entry.response.lane === lane) ?? null
}
