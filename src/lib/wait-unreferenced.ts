/** Waits without keeping the process alive: an open listener does that. */
export function waitUnreferenced(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref())
}
