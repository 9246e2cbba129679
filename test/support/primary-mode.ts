import type { App } from '../../src/app/app.js'
import type { LimitRulesConfig } from '../../src/config/limit-rules.js'
import type { FollowedRules } from '../../src/limits/limit-books.js'
import type { Log } from '../../src/observe/log.js'
import { LimitServer } from '../../src/workers/limit-server.js'
import { createLinkPair, type Link } from '../../src/workers/link.js'
import { RemoteLimits } from '../../src/workers/remote-limits.js'

/** Set by the test that runs other tests with limits that another process seems to count. */
export const COUNTS_IN_PRIMARY = process.env.THINWIRE_TEST_LIMITS === 'primary'

/** Limits of relays in this process, which ask one server for all of them, as workers ask their primary. */
export class TestPrimary {
  readonly server: LimitServer
  private readonly apps: App[]

  /** Changes what a worker has of its link. */
  wrap: (link: Link) => Link

  /** @param folders of the ledger; null: nothing is restored */
  constructor(
    config: LimitRulesConfig,
    log: Pick<Log, 'warn' | 'info'> = { warn: () => {}, info: () => {} },
    folders: readonly string[] | null = null,
  ) {
    this.apps = []
    this.wrap = (link) => link
    this.server = new LimitServer({
      config,
      log,
      listKeyRules: () =>
        this.apps.flatMap(
          ({ keyring }) => keyring?.list().flatMap(({ limits }) => (limits === null ? [] : [limits])) ?? [],
        ),
      folders,
      bounds: { hit: () => {} },
    })
    this.server.begin()
  }

  connect(log: Log): FollowingLimits {
    const [link, other] = createLinkPair()
    this.server.serve(other)
    return new FollowingLimits(this.wrap(link), log, this, () => link.cut())
  }

  add(app: App): void {
    this.apps.push(app)
    this.server.forgetKeys()
  }

  /** Its relays follow another config. */
  reconfigure(): void {
    const config = this.apps.at(-1)?.config
    if (config !== undefined) this.server.reconfigure(config.limitRules)
  }
}

/** The limits of a relay whose server follows what the relay follows, just ahead of it. */
export class FollowingLimits extends RemoteLimits {
  readonly cut: () => void
  private readonly primary: TestPrimary

  constructor(link: Link, log: Log, primary: TestPrimary, cut: () => void) {
    super(link, log)
    this.primary = primary
    this.cut = cut
  }

  override reconfigure(): void {
    this.primary.reconfigure()
  }

  override follow(rules: FollowedRules): void {
    this.primary.server.forgetKeys()
    super.follow(rules)
  }

  override tick(now: number): void {
    super.tick(now)
    this.primary.server.tick(now)
  }
}
