import { z } from 'zod'
import { secretRef } from './schema-values.js'

/** The section `admin`. */
export const admin = z.strictObject({
  listen: z
    .string()
    .nullable()
    .default(null)
    .describe(
      'HOST:PORT that serves the page for operators, such as `127.0.0.1:4001`. At any other address than loopback it needs a `token`. `null`: there is no page; the built-in demo has one at port 4001 or the next one that is free.',
    ),
  token: secretRef
    .optional()
    .describe(
      'Token by which operators sign in, at least 16 characters: `{"env": "THINWIRE_ADMIN_TOKEN"}`. Not given: each start prints a link that is good for one sign-in.',
    ),
  hosts: z
    .array(z.string().min(1))
    .default([])
    .describe(
      'Names by which browsers may call the page, such as `thinwire.example.com`. IP addresses, `localhost` and names that end in `.localhost` are accepted in any case. A web page could have a name of its own point there.',
    ),
  timezone: z
    .string()
    .min(1)
    .default('UTC')
    .describe(
      'Where the days and months of the page begin: a name such as `Europe/Berlin`. Budgets have the time zone of their rule.',
    ),
})
