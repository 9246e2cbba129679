import { setTimeout } from 'node:timers/promises'
import { type Scenario, sized } from '../scenario.js'

/** A relay that nobody asks for anything, with its connections open: what it costs at night, and on a laptop. */
export const IDLE: Scenario = {
  name: 'idle',
  about: 'no requests: how often threads wake up, and CPU time',
  baselines: ['nginx', 'bare'],
  fresh: false,
  loaded: null,
  rounds: { whole: 5, quick: 2, smoke: 1 },
  async measure({ record, mode }, running) {
    const { child } = running
    const before = await child.read()
    const wakesBefore = child.readWakes()
    const startedAt = performance.now()
    await setTimeout(sized(mode, { whole: 5_000, quick: 3_000, smoke: 50 }))
    const seconds = (performance.now() - startedAt) / 1_000
    const wakesAfter = child.readWakes()
    const after = await child.read()
    record.add('idle', 'cpu_per_second', 'us', running.name, (after.cpuUs - before.cpuUs) / seconds)
    record.addWakes('idle', 'wakes_per_second', '/s', running.name, wakesBefore, wakesAfter, seconds)
  },
}
