import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** The fields of a `.cpuprofile` that are read here (Chrome DevTools protocol, Profiler.Profile). */
interface Profile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

const SHOWN = 30

/** Flags for Node that leave a profile in a folder when the process ends. */
export function profileFlags(folder: string): string[] {
  return ['--cpu-prof', '--cpu-prof-dir', folder]
}

/**
 * The functions with the most self time in every profile of a folder.
 * @throws Error if there is none: the relay was then killed before it could end by itself
 */
export function topFunctions(folder: string): string[] {
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.cpuprofile')) : []
  if (files.length === 0) throw new Error(`Thinwire has left no profile in ${folder}`)
  const lines: string[] = []
  for (const file of files) {
    lines.push('', join(folder, file))
    lines.push(...selfTimes(JSON.parse(readFileSync(join(folder, file), 'utf8')) as Profile))
  }
  return lines
}

export function selfTimes(profile: Profile): string[] {
  const names = new Map<number, string>()
  for (const { id, callFrame } of profile.nodes) {
    const { functionName, url, lineNumber } = callFrame
    const where = url === '' ? '' : ` ${basename(dirname(url))}/${basename(url)}:${lineNumber + 1}`
    names.set(id, `${functionName || '(anonymous)'}${where}`)
  }
  const self = new Map<string, number>()
  let total = 0
  profile.samples.forEach((id, i) => {
    const name = names.get(id) ?? ''
    const us = profile.timeDeltas[i] ?? 0
    self.set(name, (self.get(name) ?? 0) + us)
    total += us
  })
  return [...self]
    .sort((a, b) => b[1] - a[1])
    .slice(0, SHOWN)
    .map(([name, us]) => `${((100 * us) / total).toFixed(1).padStart(5)} %  ${name}`)
}
