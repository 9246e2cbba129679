import type { ListenPlace } from '../config/listen.js'
import type { Limiter } from '../limits/limiter.js'
import { type OpenPage, openPage } from '../page/open-page.js'
import { createPageKeys, createPageLimits } from '../page/relay-parts.js'
import type { PageRequests, PageSource, PageSums } from '../page/source.js'
import type { SharedPartsOptions } from './shared-parts.js'
import type { WorkersLook } from './workers-look.js'

/** What the page of several workers shows. */
export interface PrimaryPageParts extends SharedPartsOptions {
  readonly look: WorkersLook
  readonly limiter: Limiter
  readonly rollups: { readonly rollups: PageSums; readonly recent: PageRequests }
}

/** Serves the page of all workers. @throws the error of `listen` */
export function openPrimaryPage(
  parts: PrimaryPageParts,
  place: ListenPlace,
  mayMove: boolean,
): Promise<OpenPage> {
  const { config, log, keyring, look, limiter, rollups, isDemo = false, reloadKeys = () => {} } = parts
  const source: PageSource = {
    facts: { workers: config.workers, startedAt: Date.now(), isDemo },
    sums: rollups.rollups,
    requests: rollups.recent,
    keys: createPageKeys(keyring, config.keys.file, reloadKeys),
    limits: createPageLimits(limiter),
    look: (question) => look.look(question),
  }
  return openPage(config, place, source, log, mayMove)
}
