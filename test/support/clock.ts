const { now } = performance

/** Lets `performance.now()` run again, if a test has stopped it: for `after.each`. */
export function runClock(): void {
  performance.now = now
}

/**
 * Stops `performance.now()`, so that what it measures does not depend on the machine's speed. Timers are not stopped.
 * @returns moves it on by so many milliseconds
 */
export function stopClock(): (ms: number) => void {
  let time = Math.ceil(performance.now())
  performance.now = () => time
  return (ms) => {
    time += ms
  }
}
