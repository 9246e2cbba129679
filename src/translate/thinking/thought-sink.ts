/** Gets the thinking of a response, for the turn that follows its tool calls. */
export interface ThoughtSink {
  /**
   * Called when a response is complete, once for each group of calls with the same thinking ahead of them.
   * @param callIds of the calls, as the client gets them; never empty
   * @param json the thinking, in the form of `Thought.json`; '' for calls that have none
   */
  remember(callIds: readonly string[], json: string): void
}
