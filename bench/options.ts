import { parseArgs } from 'node:util'
import type { Mode } from './results.js'

export interface Options {
  readonly mode: Mode
  /** A commit to compare with; null for a run against the budgets. */
  readonly against: string | null
  /** The commit of the last release, which takes part as a baseline; null for the newest tag. */
  readonly last: string | null
  /** How much one core carries; no budgets. */
  readonly capacity: boolean
  readonly profile: boolean
  /** A comparison with other gateways; no budgets. */
  readonly peers: boolean
  /** Folder of `scripts/peers.sh`; null for a temporary one. */
  readonly peersIn: string | null
  /** Names of scenarios; empty for all. */
  readonly only: readonly string[]
  readonly rounds: number | null
  /** Folder for results, report and profiles. */
  readonly out: string
}

export const HELP = `npm run bench -- [options]

Measures Thinwire and its baselines in interleaved rounds, compares the ratios
with bench/budgets.json, and writes results.json and report.html.

  --quick           less of everything, in some twelve minutes
  --only NAME       one scenario; may be given several times
  --rounds N        number of rounds
  --last REF        the last release, which takes part; default the newest tag
  --against REF     compares this checkout with a commit; no budgets
  --capacity        how many streams and requests one core carries; no budgets
  --profile         a CPU profile of Thinwire under load, and its top functions
  --peers           beside other gateways, from scripts/peers.sh; no budgets
  --peers-in DIR    the same, with those that are installed in a folder
  --out DIR         folder for results; default bench-results
  --smoke           proves that the suite works; its figures mean nothing

Exit codes: 0 all budgets held, 1 a budget was broken, 2 it could not be run,
3 no verdict, because other processes kept the machine busy.
`

/** @throws Error whose message is one line about the wrong option */
export function readOptions(args: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean', short: 'h' },
      quick: { type: 'boolean' },
      smoke: { type: 'boolean' },
      against: { type: 'string' },
      last: { type: 'string' },
      capacity: { type: 'boolean' },
      profile: { type: 'boolean' },
      peers: { type: 'boolean' },
      'peers-in': { type: 'string' },
      only: { type: 'string', multiple: true },
      rounds: { type: 'string' },
      out: { type: 'string' },
    },
  })
  if (values.help) return 'help'
  const rounds = values.rounds === undefined ? null : Number(values.rounds)
  if (rounds !== null && !(Number.isInteger(rounds) && rounds > 0 && rounds <= 100)) {
    throw new Error(`--rounds takes a number from 1 to 100, not ${values.rounds}`)
  }
  if (values.profile && values.against !== undefined)
    throw new Error('--profile and --against do not go together')
  return {
    against: values.against ?? null,
    last: values.last ?? null,
    capacity: values.capacity ?? false,
    profile: values.profile ?? false,
    peers: values.peers ?? values['peers-in'] !== undefined,
    peersIn: values['peers-in'] ?? null,
    mode: values.smoke ? 'smoke' : values.quick ? 'quick' : 'whole',
    only: values.only ?? [],
    rounds,
    out: values.out ?? 'bench-results',
  }
}
