/** The component that handles an exchange now. It is called on the close and on clock ticks. */
export interface Stage {
  /** The client's connection is closed, or the response is complete. */
  onClose(): void
  /** Called at every tick of the listener's clock. @param now `performance.now()` */
  onTick(now: number): void
}

/** Ends the stage of an exchange that has failed: its fault may be in the stage itself. */
export function closeStage(exchange: { stage: Stage | null }): void {
  const { stage } = exchange
  exchange.stage = null
  try {
    // Frees the upstream request, and moves a shared response to another subscriber.
    stage?.onClose()
  } catch {
    // It is over all the same.
  }
}
