/** The component that handles an exchange now. It is called on the close and on clock ticks. */
export interface Stage {
  /** The client's connection is closed, or the response is complete. */
  onClose(): void
  /** Called at every tick of the listener's clock. @param now `performance.now()` */
  onTick(now: number): void
}
