/** Does nothing. For a listener that must exist, such as for a socket's `error`. */
export function ignore(): void {}
