import type { Translate, Translation } from './translation.js'

/** Two changes of one answer, one after the other. */
class Chain implements Translation {
  private readonly first: Translation
  private readonly second: Translation

  constructor(first: Translation, second: Translation) {
    this.first = first
    this.second = second
  }

  push(piece: Buffer): Buffer {
    return this.second.push(this.first.push(piece))
  }

  end(): Buffer {
    return Buffer.concat([this.second.push(this.first.end()), this.second.end()])
  }

  breakOff(): Buffer {
    return Buffer.concat([this.second.push(this.first.breakOff()), this.second.breakOff()])
  }
}

/** Of two changes, those that an answer with its head is to have. */
export function chained(first: Translate, second: Translate): Translate {
  return (status, facts) => {
    const before = first(status, facts)
    const after = second(status, facts)
    if (before === null || after === null) return before ?? after
    return new Chain(before, after)
  }
}
