import type { Config } from '../config/config.js'
import type { ListenPlace } from '../config/listen.js'
import type { PageServer } from '../page/page-server.js'
import type { AppOptions } from './app-options.js'
import type { AppParts } from './app-parts.js'
import { ListenError } from './listen-error.js'
import { NO_PAGE, nameHost, type PagePort } from './ports.js'

/** The page of this relay, and where it is. */
export interface PageWay {
  /** Null if there is none, or the primary has it. */
  readonly server: PageServer | null
  readonly port: PagePort
}

const NO_WAY: PageWay = { server: null, port: NO_PAGE }

/**
 * Serves the page, if the config says so. The page of several workers is the primary's: a worker tells it which
 * requests are open. Nothing of the page is loaded where there is none.
 * @param reloadKeys the key file was changed
 * @throws {ListenError}
 */
export async function openPagePort(
  parts: Pick<AppParts, 'handler' | 'limiter' | 'keyring' | 'rollups'>,
  config: Config,
  { worker = null, log, source: origin, useDemo }: AppOptions,
  reloadKeys: () => void,
): Promise<PageWay> {
  const { listen } = config.admin
  if (listen === null) return NO_WAY
  const place: ListenPlace = { ...listen, fd: origin?.sockets?.page }
  const { handler, limiter, keyring, rollups } = parts
  const { lookAt } = await import('../page/open-requests.js')
  const { createPageSource, toTargets } = await import('../page/relay-parts.js')
  const look = (question: Parameters<typeof lookAt>[1]) => ({
    ...lookAt(handler.inFlight, question),
    targets: toTargets(handler.targetHealth),
  })
  if (worker !== null) {
    const { reportLooks } = await import('../workers/look-reporter.js')
    reportLooks(worker.link, look)
    return NO_WAY
  }
  const sums = rollups?.parts ?? null
  if (sums === null) return NO_WAY
  const isDemo = useDemo !== undefined
  const source = createPageSource({
    config,
    isDemo,
    rollups: sums,
    keyring,
    reloadKeys,
    limiter,
    look: async (question) => look(question),
  })
  const { openPage } = await import('../page/open-page.js')
  const { server, address } = await openPage(config, place, source, log, isDemo).catch((error: unknown) => {
    throw new ListenError(place, 'admin.listen', error)
  })
  return { server, port: { pageHost: nameHost(place, address), pagePort: address.port } }
}
