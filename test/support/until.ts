/** Waits until a condition holds. The bound is there to fail a test, never to measure anything. */
export async function until(condition: () => boolean, what: string, ms = 10_000): Promise<void> {
  const deadline = performance.now() + ms
  for (;;) {
    const before = performance.now()
    if (condition()) return
    const now = performance.now()
    if (now > deadline) throw new Error(`waited in vain for ${what}`)
    // A condition that reads megabytes is not asked every time there are a few more.
    await wait(Math.max(2, (now - before) * 3))
  }
}

export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

export interface Gate {
  /** Resolves when the gate is opened. */
  readonly opened: Promise<void>
  open(): void
}

/** Something a script waits for and a test lets happen. */
export function gate(): Gate {
  let open = (): void => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open: () => open() }
}
