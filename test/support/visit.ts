import { readBaseUrl } from '../../src/doctor/base-url.js'
import { Visit, type VisitOptions } from '../../src/doctor/visit.js'

/** A visit of the doctor to this base URL, with the options that a test does not care about filled in. */
export function createVisit(url: string, options: Partial<VisitOptions> = {}): Visit {
  const base = readBaseUrl(url)
  if (typeof base === 'string') throw new Error(base)
  return new Visit({
    base,
    key: 'k',
    models: [],
    modelsMax: 20,
    allShapes: false,
    cursor: false,
    timeoutMs: 10_000,
    idleMs: 0,
    roots: [],
    findPlace: () => null,
    findLearned: () => null,
    ...options,
  })
}
