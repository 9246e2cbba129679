/** The machine's clock, whatever a test makes of `performance.now`. */
const now = performance.now.bind(performance)

/** Milliseconds between two looks at a condition, at least, and at most where a look costs little. */
const SHORTEST_PAUSE = 2
const LONGEST_PAUSE = 20

/** Waits until a condition holds. The bound is there to fail a test, never to measure anything. */
export async function until(condition: () => boolean, what: string, ms = 30_000): Promise<void> {
  const startedAt = now()
  const deadline = startedAt + ms
  for (;;) {
    const before = now()
    if (condition()) return
    const after = now()
    if (after > deadline) throw new Error(`waited in vain for ${what}`)
    // Whoever has waited for long can wait a twentieth longer: each look wakes a busy machine up. And a condition that
    // reads megabytes is not asked every time there are a few more.
    const patience = Math.min(LONGEST_PAUSE, (after - startedAt) / 20)
    await wait(Math.max(SHORTEST_PAUSE, patience, (after - before) * 3))
  }
}

export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

export interface Deferred<T> {
  readonly promise: Promise<T>
  resolve(value: T): void
  reject(reason: unknown): void
}

/** A promise and the hands that settle it; `Promise.withResolvers` is not in Node 20. */
export function deferred<T = void>(): Deferred<T> {
  let resolve: (value: T) => void = () => {}
  let reject: (reason: unknown) => void = () => {}
  const promise = new Promise<T>((onValue, onReason) => {
    resolve = onValue
    reject = onReason
  })
  return { promise, resolve, reject }
}

export interface Gate {
  /** Resolves when the gate is opened. */
  readonly opened: Promise<void>
  open(): void
}

/** Something a script waits for and a test lets happen. */
export function gate(): Gate {
  const { promise, resolve } = deferred()
  return { opened: promise, open: resolve }
}
