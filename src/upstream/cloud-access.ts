import type { CloudConfig } from '../config/cloud-config.js'
import type { UpstreamConfig } from '../config/upstreams.js'
import { findHeader, type RawHeaders } from '../http/flat-headers.js'
import { CREDENTIAL_MISSING } from '../routing/outcome.js'
import { createAwsFetch } from './cloud/aws-keys.js'
import { type CredentialSource, FixedSource } from './cloud/credential-source.js'
import { createEntraFetch } from './cloud/entra-token.js'
import { createGoogleFetch } from './cloud/google-token.js'
import { RequestSigner } from './cloud/request-signer.js'
import type { AwsKey } from './cloud/sigv4.js'
import { type TokenEvents, TokenSource } from './cloud/token-source.js'
import type { DispatchRequest } from './connection-pool.js'
import type { DispatchHandler, RawHeaderList } from './dispatch-handler.js'
import { createTokenClient } from './token-client.js'

/** What is reported of the credentials of upstreams. */
export interface CredentialEvents {
  /** See `TokenEvents.onTrouble`. */
  onTrouble(upstream: string, cause: string, hasOne: boolean): void
  onRecovered(upstream: string): void
}

/** For those who do not want to know. */
export const NO_CREDENTIAL_EVENTS: CredentialEvents = { onTrouble() {}, onRecovered() {} }

/**
 * The credential of an upstream that the relay makes or fetches itself: a bearer token, or a signature of each request.
 * What is needed for a request is there when it comes: nothing is fetched while a request waits.
 */
export type CloudAccess = TokenAccess | SignedAccess

/** @returns null if the upstream has a key that stays the same, or none */
export function createCloudAccess(config: UpstreamConfig, events: CredentialEvents): CloudAccess | null {
  const { cloud, name } = config
  if (cloud === null) return null
  const own: TokenEvents = {
    onTrouble: (cause, hasOne) => events.onTrouble(name, cause, hasOne),
    onRecovered: () => events.onRecovered(name),
  }
  return cloud.kind === 'aws' ? createSignedAccess(config, cloud, own) : createTokenAccess(config, cloud, own)
}

function createTokenAccess(
  config: UpstreamConfig,
  cloud: Exclude<CloudConfig, { readonly kind: 'aws' }>,
  events: TokenEvents,
): TokenAccess {
  const send = createTokenClient(config, cloud.proxy)
  const fetch =
    cloud.kind === 'google'
      ? createGoogleFetch(cloud.source, send)
      : createEntraFetch(cloud.source, cloud.scope, send)
  return new TokenAccess(config.name, new TokenSource(fetch, events))
}

function createSignedAccess(
  config: UpstreamConfig,
  { region, source, proxy }: CloudConfig & { readonly kind: 'aws' },
  events: TokenEvents,
): SignedAccess {
  const keys =
    source.from === 'keys'
      ? new FixedSource<AwsKey>(source)
      : new TokenSource(createAwsFetch(source, createTokenClient(config, proxy)), events)
  return new SignedAccess(config.name, keys, new RequestSigner(config.origin, { region, service: 'bedrock' }))
}

/** Bearer tokens of Google and of Entra ID. */
export class TokenAccess {
  readonly source: CredentialSource<string>
  /** Whether a request needs its whole body before it is sent. */
  readonly needsBody = false
  private readonly upstream: string

  constructor(upstream: string, source: CredentialSource<string>) {
    this.source = source
    this.upstream = upstream
  }

  /** @throws with the code CREDENTIAL_MISSING if there is none */
  takeToken(): string {
    const token = this.source.take(performance.now())
    if (token === null) throw createMissing(this.upstream)
    return token
  }

  /** Adds what a request needs beside its headers. */
  complete(): void {
    // The token is among them.
  }

  /** What must not come back to a client. */
  listSecrets(): readonly string[] {
    return this.source.known
  }

  /** Reads a refusal of a request with the token that is the current one still. */
  onRefused(status: number): void {
    const now = performance.now()
    const token = this.source.take(now)
    if (status === 401 && token !== null) this.source.refuse(token, now)
  }
}

/** Errors that say that the key or the time of a signature was not accepted, and nothing of what it may do. */
const SIGNATURE_ERRORS =
  /^(?:ExpiredToken|RequestExpired|UnrecognizedClient|InvalidSignature|SignatureDoesNotMatch|InvalidClientTokenId|IncompleteSignature|MissingAuthenticationToken)/

/** Signatures of AWS. */
export class SignedAccess {
  readonly source: CredentialSource<AwsKey>
  readonly needsBody = true
  private readonly upstream: string
  private readonly signer: RequestSigner

  constructor(upstream: string, source: CredentialSource<AwsKey>, signer: RequestSigner) {
    this.source = source
    this.upstream = upstream
    this.signer = signer
  }

  /** @throws with the code CREDENTIAL_MISSING if there is no key */
  complete(request: DispatchRequest): void {
    const key = this.source.take(performance.now())
    if (key === null) throw createMissing(this.upstream)
    this.signer.sign(request, key)
  }

  listSecrets(): readonly string[] {
    return this.source.known.flatMap(({ secretAccessKey, sessionToken }) =>
      sessionToken === null ? [secretAccessKey] : [secretAccessKey, sessionToken],
    )
  }

  onRefused(status: number, raw: RawHeaders): void {
    const isSignature = SIGNATURE_ERRORS.test(findHeader(raw, 'x-amzn-errortype') ?? '')
    if (status !== 401 && !isSignature) return
    this.signer.followClock(raw)
    const now = performance.now()
    const key = this.source.take(now)
    if (key !== null) this.source.refuse(key, now)
  }
}

function createMissing(upstream: string): Error {
  return Object.assign(new Error(`there is no valid credential for ${upstream}`), {
    code: CREDENTIAL_MISSING,
  })
}

/** A handler that tells the access of an upstream when its credential is refused. */
export class CredentialWatch implements DispatchHandler {
  private readonly handler: DispatchHandler
  private readonly access: CloudAccess
  /** Of the credential that the request was sent with. */
  private readonly generation: number

  constructor(handler: DispatchHandler, access: CloudAccess) {
    this.handler = handler
    this.access = access
    this.generation = access.source.generation
  }

  onConnect(abort: (reason?: Error) => void): void {
    this.handler.onConnect(abort)
  }

  onHeaders(status: number, raw: RawHeaderList, resume: () => void, reason: string): boolean {
    const { access, generation } = this
    // A refusal of an earlier credential says nothing of the one that is there now.
    const isCurrent = generation === access.source.generation
    if ((status === 401 || status === 403) && isCurrent) access.onRefused(status, raw)
    return this.handler.onHeaders(status, raw, resume, reason)
  }

  onData(chunk: Buffer): boolean {
    return this.handler.onData(chunk)
  }

  onComplete(trailers: string[] | null): void {
    this.handler.onComplete(trailers)
  }

  onError(error: Error): void {
    this.handler.onError(error)
  }
}
