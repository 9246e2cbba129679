import * as fc from 'fast-check'
import { SEED } from './random.js'

fc.configureGlobal({ seed: SEED })

/** fast-check, with the seed of the run. Where a property fails it prints the `path` to its example, too. */
export { fc }
