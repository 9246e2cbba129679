import { buildConnector } from 'undici'
import type { AddressMemory } from './address-memory.js'

/** Creates undici's connector, with a memory of addresses that do not answer. */
export function createDirectConnector(
  options: buildConnector.BuildOptions,
  addresses: AddressMemory,
): buildConnector.connector {
  const connect = buildConnector({ ...options, lookup: addresses.lookup } as buildConnector.BuildOptions)
  return (target, callback) => {
    connect(target, (...result) => {
      const [error, socket] = result
      if (error === null) addresses.onConnected(target.hostname, socket)
      callback(...result)
    })
  }
}
