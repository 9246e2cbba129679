import { AGENTGATEWAY } from './agentgateway.js'
import { BIFROST } from './bifrost.js'
import { BUSBAR } from './busbar.js'
import { GOMODEL } from './gomodel.js'
import { LITELLM } from './litellm.js'
import { OLLA } from './olla.js'
import type { Peer } from './peer.js'
import { PORTKEY } from './portkey.js'

/** In the order of the table. */
export const PEERS: readonly Peer[] = [LITELLM, BIFROST, PORTKEY, GOMODEL, AGENTGATEWAY, BUSBAR, OLLA]
