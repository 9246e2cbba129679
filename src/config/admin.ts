import { isLoopback, type ListenAddress, type ListenPlace, parseListenAddress } from './listen.js'
import type { ConfigFile } from './schema.js'
import { type Secrets, StandInSecrets } from './secrets.js'
import { findZoneFlaw } from './timezone.js'

/** The page for operators. */
export interface AdminConfig {
  /** Null: there is none. */
  readonly listen: ListenPlace | null
  /** Null: each start makes a token that is good for one sign-in. */
  readonly token: string | null
  readonly hosts: readonly string[]
  /** IANA name of a zone. */
  readonly timezone: string
}

/** A relay without a page. */
export const NO_ADMIN: AdminConfig = { listen: null, token: null, hosts: [], timezone: 'UTC' }

/** Whoever tries ten at once and six a minute finds none that was made at random. */
const SHORTEST_TOKEN = 16

/** Where the other servers of the relay listen; null: nowhere, or at a socket of another process. */
export interface OtherPlaces {
  readonly listen: ListenAddress | null
  readonly 'metrics.listen': ListenAddress | null
}

/** Resolves the section `admin`. Problems are reported to `secrets`. */
export function resolveAdmin({ admin }: ConfigFile, others: OtherPlaces, secrets: Secrets): AdminConfig {
  const { hosts, timezone } = admin
  const listen = admin.listen === null ? null : parseListenAddress(admin.listen)
  if (admin.listen !== null && listen === null)
    secrets.report('admin.listen', 'must be HOST:PORT, such as 127.0.0.1:4001')
  const flaw = findZoneFlaw(timezone)
  if (flaw !== null) secrets.report('admin.timezone', flaw)
  for (const [name, place] of Object.entries(others) as [string, ListenAddress | null][])
    if (listen !== null && listen.port !== 0 && place?.port === listen.port)
      secrets.report('admin.listen', `has the port of ${name}, ${listen.port}; the page needs one of its own`)
  const token = admin.token === undefined ? null : secrets.read(admin.token, 'admin.token')
  if (token !== null && token !== '' && token.length < SHORTEST_TOKEN && !(secrets instanceof StandInSecrets))
    secrets.report('admin.token', `must have at least ${SHORTEST_TOKEN} characters: openssl rand -hex 24`)
  if (listen !== null && token === null && !isLoopback(listen.host))
    secrets.report(
      'admin.token',
      `is needed, as admin.listen is at ${listen.host}: others than the people on this machine reach that; set a token, or listen on 127.0.0.1`,
    )
  return { listen, token, hosts, timezone }
}

/** Whether others than the people on this machine reach the page. */
export function isPublicAdmin({ listen }: AdminConfig): boolean {
  return listen !== null && !isLoopback(listen.host)
}
