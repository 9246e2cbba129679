/** Holds a credential that may change while the relay runs. */
export interface CredentialSource<T> {
  /** @param now `performance.now()` @returns null if no credential is valid now */
  take(now: number): T | null
  /** All credentials that an upstream may know: what may come back in a response. */
  readonly known: readonly T[]
  /** Counts the changes of `known`. */
  readonly generation: number
  /** An upstream has refused this credential. @param now `performance.now()` */
  refuse(credential: T, now: number): void
  /** Gets the first credential. @returns resolves when it is there or could not be got */
  start(): Promise<void>
  /** Stops refreshing. A credential that is there stays until it expires. */
  close(): void
}

/** A credential that never changes. */
export class FixedSource<T> implements CredentialSource<T> {
  readonly known: readonly T[]
  readonly generation: number
  private readonly credential: T

  constructor(credential: T) {
    this.known = [credential]
    this.generation = 0
    this.credential = credential
  }

  take(): T {
    return this.credential
  }

  refuse(): void {
    // There is no other.
  }

  start(): Promise<void> {
    return Promise.resolve()
  }

  close(): void {
    // Nothing runs.
  }
}
