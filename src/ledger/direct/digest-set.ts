/** Hex digits of a digest: 128 bits. */
export const DIGEST_DIGITS = 32

/** Numbers of 32 bits in a digest. */
const WORDS = 4

const FIRST_SLOTS = 1_024

/**
 * A set of digests in 16 to 64 bytes each, where a `Set` of texts takes more than 100. A digest is even by nature, so
 * its first bits are the hash.
 */
export class DigestSet {
  private slots: Uint32Array
  private mask: number
  private count: number
  private hasZero: boolean
  private readonly words: Uint32Array

  constructor() {
    this.slots = new Uint32Array(FIRST_SLOTS * WORDS)
    this.mask = FIRST_SLOTS - 1
    this.count = 0
    this.hasZero = false
    this.words = new Uint32Array(WORDS)
  }

  get size(): number {
    return this.count
  }

  /** Adds a digest. @param digest 32 hex digits @returns false if it was added before */
  add(digest: string): boolean {
    for (let i = 0; i < WORDS; i++) this.words[i] = Number.parseInt(digest.slice(i * 8, i * 8 + 8), 16)
    if (this.words.every((word) => word === 0)) {
      if (this.hasZero) return false
      this.hasZero = true
      this.count++
      return true
    }
    if (!insert(this.slots, this.mask, this.words, 0)) return false
    this.count++
    if (this.count * 2 > this.mask) this.grow()
    return true
  }

  private grow(): void {
    const slots = new Uint32Array(this.slots.length * 2)
    const mask = slots.length / WORDS - 1
    for (let at = 0; at < this.slots.length; at += WORDS)
      if (!isEmpty(this.slots, at)) insert(slots, mask, this.slots, at)
    this.slots = slots
    this.mask = mask
  }
}

function isEmpty(slots: Uint32Array, at: number): boolean {
  return slots[at] === 0 && slots[at + 1] === 0 && slots[at + 2] === 0 && slots[at + 3] === 0
}

/** @param from index of the digest in `words` @returns false if it is there */
function insert(slots: Uint32Array, mask: number, words: Uint32Array, from: number): boolean {
  for (let slot = (words[from] as number) & mask; ; slot = (slot + 1) & mask) {
    const at = slot * WORDS
    if (isEmpty(slots, at)) {
      for (let i = 0; i < WORDS; i++) slots[at + i] = words[from + i] as number
      return true
    }
    let isSame = true
    for (let i = 0; i < WORDS && isSame; i++) isSame = slots[at + i] === words[from + i]
    if (isSame) return false
  }
}
