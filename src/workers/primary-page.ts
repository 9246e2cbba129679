import type { ListenPlace } from '../config/listen.js'
import type { Limiter } from '../limits/limiter.js'
import { type OpenPage, openPage } from '../page/open-page.js'
import { createPageSource, type PagedRelay } from '../page/relay-parts.js'
import type { SharedPartsOptions } from './shared-parts.js'
import type { WorkersLook } from './workers-look.js'

/** What the page of several workers shows. */
export interface PrimaryPageParts extends SharedPartsOptions {
  readonly look: WorkersLook
  readonly limiter: Limiter
  readonly rollups: PagedRelay['rollups']
}

/** Serves the page of all workers. @throws the error of `listen` */
export function openPrimaryPage(
  parts: PrimaryPageParts,
  place: ListenPlace,
  mayMove: boolean,
): Promise<OpenPage> {
  const { config, log, look, isDemo = false, reloadKeys = () => {} } = parts
  const source = createPageSource({
    ...parts,
    isDemo,
    reloadKeys,
    look: (question) => look.look(question),
  })
  return openPage(config, place, source, log, mayMove)
}
