/** Keys of each of the two ages. Then the younger ones become the older ones. */
const MOST = 1_000

/** Milliseconds after which the younger ones become the older ones. */
const AGE_MS = 60_000

/**
 * Remembers the hashes of keys that were valid a moment ago: SHA-256 takes 1.5 % of a request (bench `requests`).
 * Nothing but the hash is remembered, so that the keyring is asked about each request: a key that is revoked or expires
 * is refused as before.
 *
 * The text of a key is in memory as long as a request with it is open. Here it stays for two minutes after the last one
 * at most, and nowhere else; keys that nobody has issued never come here. The look-up is a Map: V8 compares two texts
 * only if its own hashes of them agree, which depend on a secret of the process. So its timing does not tell how much
 * of a guess is right.
 */
export class RecentKeys {
  private young: Map<string, string>
  private old: Map<string, string>
  private agedAt: number

  constructor() {
    this.young = new Map()
    this.old = new Map()
    this.agedAt = 0
  }

  /** The hash of a key; undefined if it is not remembered. */
  find(text: string): string | undefined {
    const hash = this.young.get(text)
    if (hash !== undefined) return hash
    const older = this.old.get(text)
    if (older !== undefined) this.add(text, older)
    return older
  }

  /** @param text a valid key @param hash see `hashKey` */
  add(text: string, hash: string): void {
    if (this.young.size >= MOST) this.age()
    this.young.set(text, hash)
  }

  /** @param now `performance.now()` */
  tick(now: number): void {
    if (now - this.agedAt < AGE_MS) return
    this.agedAt = now
    this.age()
  }

  private age(): void {
    this.old = this.young
    this.young = new Map()
  }
}
