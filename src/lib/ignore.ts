/** Does nothing: for a listener that must be there though nothing is to be done, such as for a socket's `error`. */
export function ignore(): void {}
