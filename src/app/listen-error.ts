import type { ListenPlace } from '../config/listen.js'

/**
 * Nothing can listen at a place of the config. `cause` is the error of `listen`, such as EADDRINUSE; null if the relay
 * could listen there, and must not.
 */
export class ListenError extends Error {
  readonly place: ListenPlace
  /** The setting that the place comes from, or that forbids it. */
  readonly setting: 'listen' | 'metrics.listen' | 'admin.listen' | 'keys.mode'

  constructor(place: ListenPlace, setting: ListenError['setting'], cause: unknown) {
    super(`cannot listen on ${place.host}:${place.port}`, { cause })
    this.name = 'ListenError'
    // The rest of a setting, such as the passphrase of a key, is nothing for an error.
    this.place = { host: place.host, port: place.port, fd: place.fd }
    this.setting = setting
  }
}
