import { z } from 'zod'
import { duration, MIB, size } from './schema-values.js'

/** The section `ledger`. */
export const ledger = z.strictObject({
  folder: z
    .string()
    .min(1)
    .default('data')
    .describe(
      'Folder of the `usage-YYYY-MM-DD.jsonl` files (`usage-YYYY-MM-DD.wN.jsonl` of each worker), relative to the folder of the config file.',
    ),
  fallbackFolder: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe(
      'A second folder, best on another disk, relative to the folder of the config file. Records go there when `folder` could not be written for 3 s, until it can be again. `thinwire usage` reads both.',
    ),
  flushMs: duration(0)
    .default(20)
    .describe(
      'Records are written after this time at the latest; `0`: at the end of each turn of the event loop. A `kill -9` loses no more than these.',
    ),
  flushBytes: size(1, 64 * MIB)
    .default(256 * 1024)
    .describe('Records are written earlier when there are this many bytes of them.'),
  bufferedBytes: size(64 * 1024, 4096 * MIB)
    .default(64 * MIB)
    .describe(
      'Memory for records while the disk is full or does not respond. Beyond it new records are dropped and counted.',
    ),
  rotateBytes: size(64 * 1024, 1024 * 1024 * MIB)
    .default(256 * MIB)
    .describe('Largest file. The next one of the day is `usage-YYYY-MM-DD.2.jsonl`.'),
  fsync: z
    .enum(['never', 'interval', 'every'])
    .default('interval')
    .describe(
      'How often records are synced to the disk, which decides what a power failure can take. `never`: what the kernel has not yet written, about 30 s. `interval`: the last `fsyncMs`. `every`: nothing that was written.',
    ),
  fsyncMs: duration().default(1_000).describe('Time between two syncs, with `fsync` `interval`.'),
  prices: z
    .union([z.boolean(), z.string().min(1)], {
      error: 'must be true for the built-in prices, false for none, or the name of a price file',
    })
    .default(true)
    .describe(
      "What tokens cost. `true`: built-in prices of common models. A file, relative to the folder of the config file and in the format of LiteLLM's `model_prices_and_context_window.json`: its prices take precedence over the built-in ones, model by model, and a changed file applies within a second. `false`: records have no cost.",
    ),
})
