import type { ServerOptions } from 'node:http'
import type { Config } from '../config/config.js'
import { clamp } from '../lib/clamp.js'
import { ClientRequest } from '../relay/client-request.js'
import { isHandshake, type UpgradeOption } from './upgrade-offer.js'

/** The settings of Node's HTTP server. */
export function createServerOptions({
  limits,
  timeouts,
}: Pick<Config, 'limits' | 'timeouts'>): ServerOptions<typeof ClientRequest> & UpgradeOption {
  return {
    IncomingMessage: ClientRequest,
    noDelay: true,
    // Finds clients that are gone without a FIN, such as a closed laptop.
    keepAlive: true,
    keepAliveInitialDelay: 30_000,
    maxHeaderSize: limits.headerBytes,
    headersTimeout: timeouts.headersMs,
    // `RequestBody` limits the time of the body, because it can send the error in the client's format.
    requestTimeout: 0,
    keepAliveTimeout: timeouts.keepAliveMs,
    connectionsCheckingInterval: clamp(timeouts.headersMs / 4, 50, 5_000),
    // `RequestHandler` checks the header, because it can send the error in the client's format.
    requireHostHeader: false,
    highWaterMark: limits.clientBufferBytes,
    shouldUpgradeCallback: isHandshake,
  }
}
