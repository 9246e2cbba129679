import { z } from 'zod'
import { secretRef } from './schema-values.js'

const DEFAULT_ADDRESS = '127.0.0.1:4000'

const tls = z
  .strictObject({
    cert: z
      .string()
      .min(1)
      .describe(
        'PEM file with the certificate of the relay, and behind it those that lead to its authority (`fullchain.pem`). Relative to the folder of the config file.',
      ),
    key: z.string().min(1).describe('PEM file with the private key of the certificate.'),
    passphrase: secretRef.optional().describe('Passphrase of the private key, if the file is encrypted.'),
  })
  .describe('Speak HTTPS at this address. Files that change are used for new connections, without a restart.')

/** The setting `listen`: an address alone, or an address with more. */
export const listen = z
  .union(
    [
      z.string(),
      z.strictObject({
        address: z.string().default(DEFAULT_ADDRESS).describe('HOST:PORT to listen on.'),
        tls: tls.optional(),
        reusePort: z
          .boolean()
          .default(false)
          .describe(
            'Several relays may listen at this address, each with `reusePort` and `workers: 1`. Needs Node 22.12 or 23.1, and Linux 3.9 or FreeBSD 12. The system chooses a relay by a hash of the connection, so that they get unequal shares; a relay that stops loses the connections that it has not yet accepted.',
          ),
      }),
    ],
    {
      error: `must be HOST:PORT, such as ${DEFAULT_ADDRESS}, or an object { } with address, tls and reusePort`,
    },
  )
  .default(DEFAULT_ADDRESS)
  .describe(
    'HOST:PORT to listen on. `[::]:4000` listens on every address. With TLS: an object with `address` and `tls`. A socket that systemd hands over takes its place.',
  )
