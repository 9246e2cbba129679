import type { Config } from '../config/config.js'
import { createAccountLogger } from '../observe/health-log.js'
import type { Log } from '../observe/log.js'
import type { AccountRules } from '../routing/router.js'

/** How long a key waits that an upstream has refused, or that has no quota left, and what is logged of it. */
export function createAccountRules({ timeouts }: Config, log: Log): AccountRules {
  const cooldowns = { credential: timeouts.refusedKeyMs, quota: timeouts.spentQuotaMs }
  return { cooldowns, ...createAccountLogger(log) }
}
