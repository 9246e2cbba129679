import { z } from 'zod'
import { duration, MIB, size } from './schema-values.js'

export const ledger = z.strictObject({
  folder: z
    .string()
    .min(1)
    .default('data')
    .describe('Where usage-YYYY-MM-DD.jsonl goes; relative to the folder of the config file.'),
  flushMs: duration()
    .default(100)
    .describe('Records are gathered for so long; as many are lost if the process is killed.'),
  flushBytes: size(1, 64 * MIB)
    .default(256 * 1024)
    .describe('Or until there is so much of them.'),
  bufferedBytes: size(64 * 1024, 4096 * MIB)
    .default(64 * MIB)
    .describe('Records that wait for a disk that takes none; beyond it new ones are dropped, and counted.'),
  rotateBytes: size(64 * 1024, 1024 * 1024 * MIB)
    .default(256 * MIB)
    .describe('A file that would become larger is followed by usage-YYYY-MM-DD.2.jsonl, and so on.'),
  fsync: z
    .enum(['never', 'interval', 'every'])
    .default('interval')
    .describe(
      'What a power failure may take: never: what the kernel had not written, some 30 s. interval: the last fsyncMs. every: nothing that was written.',
    ),
  fsyncMs: duration().default(1_000),
  prices: z
    .union([z.boolean(), z.string().min(1)], {
      error: 'must be true for the built-in prices, false for none, or the name of a price file',
    })
    .default(true)
    .describe(
      "What tokens cost. true: the built-in table of common models. A file in the format of LiteLLM's model_prices_and_context_window.json, relative to the folder of the config file: its prices go before the built-in ones, model by model. false: no record has a cost.",
    ),
})
