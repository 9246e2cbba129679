import type { AddressInfo } from 'node:net'
import type { Config } from '../config/config.js'
import type { ListenPlace } from '../config/listen.js'
import { readErrorCode } from '../lib/error-code.js'
import type { Log } from '../observe/log.js'
import { Assets } from './assets.js'
import { PageServer } from './page-server.js'
import type { PageSource } from './source.js'

/** Ports that are tried one after the other, where any will do. */
const MOST_PORTS = 50

/** A page that is served. */
export interface OpenPage {
  readonly server: PageServer
  readonly address: AddressInfo
}

/**
 * Serves the page of a relay.
 * @param mayMove if the port is taken, the next one that is free will do
 * @throws the error of `listen`
 */
export async function openPage(
  { admin, trustedProxies }: Pick<Config, 'admin' | 'trustedProxies'>,
  place: ListenPlace,
  source: PageSource,
  log: Pick<Log, 'info' | 'warn' | 'error'>,
  mayMove: boolean,
): Promise<OpenPage> {
  const server = new PageServer({
    source,
    assets: loadAssets(log),
    settings: admin,
    trustedProxies,
    log,
  })
  for (let moved = 0; ; moved++) {
    try {
      return { server, address: await server.listen({ ...place, port: place.port + moved }) }
    } catch (error) {
      if (!mayMove || moved >= MOST_PORTS || readErrorCode(error) !== 'EADDRINUSE') throw error
    }
  }
}

/** Without its files the page is of use to programs alone. @returns null if they are missing */
function loadAssets(log: Pick<Log, 'error'>): Assets | null {
  try {
    return Assets.load()
  } catch (error) {
    log.error({ err: error }, 'page: its files cannot be read, so that there is only its API')
    return null
  }
}
