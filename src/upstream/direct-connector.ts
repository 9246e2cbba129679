import { createRequire } from 'node:module'
import type { buildConnector } from 'undici'
import type { AddressMemory } from './address-memory.js'

/** Of undici this module alone: all of it would make each start slower by a sixth. */
const build: typeof buildConnector = createRequire(import.meta.url)('undici/lib/core/connect.js')

/** Creates undici's connector, with a memory of addresses that do not answer. */
export function createDirectConnector(
  options: buildConnector.BuildOptions,
  addresses: AddressMemory,
): buildConnector.connector {
  const connect = build({ ...options, lookup: addresses.lookup } as buildConnector.BuildOptions)
  return (target, callback) => {
    connect(target, (...result) => {
      const [error, socket] = result
      if (error === null) addresses.onConnected(target.hostname, socket)
      callback(...result)
    })
  }
}
