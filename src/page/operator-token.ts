import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** Milliseconds in which a printed token has to be used. */
export const PRINTED_MS = 12 * 3_600_000

/**
 * The token of the operators: that of the config, as often as they like, or one that was printed at this start, for one
 * sign-in.
 */
export class OperatorToken {
  private lasting: Buffer | null
  private printed: { readonly hash: Buffer; readonly until: number } | null
  private readonly now: () => number
  /** Called when the printed token is good for nothing any more. */
  private onSpent: () => void

  /** @param token of the config; null if it has none @param now epoch milliseconds */
  constructor(token: string | null, now: () => number = Date.now) {
    this.lasting = token === null ? null : hash(token)
    this.printed = null
    this.now = now
    this.onSpent = () => {}
  }

  /** @returns a token for one sign-in; an earlier one is not good any more */
  print(onSpent: () => void = () => {}): string {
    this.spend()
    // So that its link is one line of a terminal.
    const token = randomBytes(20).toString('hex')
    this.printed = { hash: hash(token), until: this.now() + PRINTED_MS }
    this.onSpent = onSpent
    return token
  }

  /** Tells whether another process has the same token of the config, without saying it; null if there is none. */
  get fingerprint(): string | null {
    return this.lasting?.toString('base64url') ?? null
  }

  /** Takes another token of the config. @returns whether it is another one */
  follow(token: string | null): boolean {
    const next = token === null ? null : hash(token)
    const before = this.lasting
    const isSame = next === null || before === null ? next === before : next.equals(before)
    if (isSame) return false
    this.lasting = next
    if (next !== null) this.spend()
    return true
  }

  /** Whether it is right. A printed token is used up then. Takes the same time for each token that is wrong. */
  take(token: string): boolean {
    const given = hash(token)
    const isLasting = this.lasting !== null && timingSafeEqual(given, this.lasting)
    const { printed } = this
    const isPrinted = printed !== null && timingSafeEqual(given, printed.hash)
    if (printed !== null && this.now() >= printed.until) {
      this.spend()
      return isLasting
    }
    if (isPrinted) this.spend()
    return isLasting || isPrinted
  }

  /** The printed token is good for nothing from now on. */
  spend(): void {
    if (this.printed === null) return
    this.printed = null
    this.onSpent()
  }
}

/** So that tokens of all lengths can be compared in the same time. */
function hash(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
