/** What is working for an exchange at the moment, and has to know of these two things. */
export interface Stage {
  /** The client's connection is closed, or the response is complete. */
  onClose(): void
  /** Called about every `Watchdog` tick. @param now `performance.now()` */
  onTick(now: number): void
}
