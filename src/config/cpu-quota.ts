import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Where Linux shows control groups. */
const GROUPS = 'sys/fs/cgroup'

/**
 * How many CPUs the control groups of this process allow, such as those of a container or of a service; null if they
 * allow all. Node knows it from version 22 on.
 * @param root another folder in the place of `/`, for tests
 */
export function readCpuQuota(root = '/'): number | null {
  let least: number | null = null
  for (const [folder, path] of listGroups(readText(join(root, 'proc/self/cgroup')))) {
    // In a container the path may be that of its host. What counts is found further up then.
    for (let at = path; ; at = dirname(at)) {
      const allowed = readGroup(join(root, GROUPS, folder, at))
      if (allowed !== null) least = Math.min(least ?? allowed, allowed)
      if (dirname(at) === at) break
    }
  }
  return least
}

/** @param text `ID:CONTROLLERS:PATH` in each line; version 2 has no controllers there */
function* listGroups(text: string): Generator<[folder: string, path: string]> {
  for (const line of text.split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? []
    if (controllers === undefined || path === undefined) continue
    if (controllers === '') {
      yield ['', path]
      yield ['unified', path]
    } else if (controllers.split(',').includes('cpu')) yield ['cpu', path]
  }
}

/** Each of the two versions has files of its own. */
function readGroup(folder: string): number | null {
  const [quota, period] = readText(join(folder, 'cpu.max')).split(' ')
  return (
    divide(quota, period) ??
    divide(readText(join(folder, 'cpu.cfs_quota_us')), readText(join(folder, 'cpu.cfs_period_us')))
  )
}

/** @returns null without a bound, which is `max` or -1 */
function divide(quota = '', period = ''): number | null {
  const [time, every] = [Number.parseInt(quota, 10), Number.parseInt(period, 10)]
  return time > 0 && every > 0 ? time / every : null
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return ''
  }
}
