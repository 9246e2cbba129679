import type { ListenAddress } from '../config/listen.js'

/** Nothing can listen at an address of the config. `cause` is the error of `listen`, such as EADDRINUSE. */
export class ListenError extends Error {
  readonly address: ListenAddress
  /** The setting that the address comes from. */
  readonly setting: 'listen' | 'metrics.listen'

  constructor(address: ListenAddress, setting: ListenError['setting'], cause: unknown) {
    super(`cannot listen on ${address.host}:${address.port}`, { cause })
    this.name = 'ListenError'
    this.address = address
    this.setting = setting
  }
}
