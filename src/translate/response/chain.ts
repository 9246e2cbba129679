import type { CreateTranslation, Translation } from '../translation.js'

/** Two translations of one response, one after the other. */
export class ChainedTranslation implements Translation {
  private readonly first: Translation
  private readonly second: Translation

  constructor(first: Translation, second: Translation) {
    this.first = first
    this.second = second
  }

  get makes(): Translation['makes'] {
    return this.second.makes ?? this.first.makes
  }

  get bytesHeld(): number {
    return this.first.bytesHeld + this.second.bytesHeld
  }

  push(chunk: Buffer): Buffer {
    return this.second.push(this.first.push(chunk))
  }

  end(): Buffer {
    return Buffer.concat([this.second.push(this.first.end()), this.second.end()])
  }

  /** The client reads the form that the second one writes. */
  abort(error: string): Buffer {
    return this.second.abort(error)
  }

  breakOff(): Buffer {
    return Buffer.concat([this.second.push(this.first.breakOff()), this.second.breakOff()])
  }
}

/** Joins two choices: a response gets both translations, one of them, or none. */
export function chainTranslations(first: CreateTranslation, second: CreateTranslation): CreateTranslation {
  return (status, facts) => joinTranslations(first(status, facts), second(status, facts))
}

/** Joins two translations of one response, of which any may be missing. */
export function joinTranslations(first: Translation | null, second: Translation | null): Translation | null {
  if (first === null || second === null) return first ?? second
  return new ChainedTranslation(first, second)
}
