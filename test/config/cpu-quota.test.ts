import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readCpuQuota } from '../../src/config/cpu-quota.js'
import { countWorkers } from '../../src/config/workers.js'

const test = suite('CPU quota')

/** Files of /proc and /sys below a folder. @returns the quota that they say */
function readQuota(files: Readonly<Record<string, string>>): number | null {
  const root = mkdtempSync(join(tmpdir(), 'thinwire-quota-'))
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), `${text}\n`)
    }
    return readCpuQuota(root)
  } finally {
    rmSync(root, { recursive: true })
  }
}

test('a container has the quota of the root that it sees', () => {
  const group = { 'proc/self/cgroup': '0::/' }
  assert.is(readQuota({ ...group, 'sys/fs/cgroup/cpu.max': '150000 100000' }), 1.5)
  assert.is(readQuota({ ...group, 'sys/fs/cgroup/cpu.max': 'max 100000' }), null)
  assert.is(readQuota(group), null)
})

test('a service has the least of its own quota and those above it', () => {
  const group = { 'proc/self/cgroup': '0::/system.slice/thinwire.service' }
  const at = 'sys/fs/cgroup/system.slice'
  assert.is(readQuota({ ...group, [`${at}/thinwire.service/cpu.max`]: '400000 100000' }), 4)
  const both = {
    [`${at}/thinwire.service/cpu.max`]: '400000 100000',
    [`${at}/cpu.max`]: '300000 100000',
  }
  assert.is(readQuota({ ...group, ...both }), 3)
})

test('control groups of version 1 say it in files of their own, also for a container with the path of its host', () => {
  const files = {
    'proc/self/cgroup': '5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc',
    'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '200000',
    'sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000',
  }
  assert.is(readQuota(files), 2)
  assert.is(readQuota({ ...files, 'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1' }), null)
})

test('a system without control groups has no quota', () => {
  assert.is(readQuota({}), null)
  assert.is(readQuota({ 'proc/self/cgroup': 'nonsense' }), null)
})

test('auto is one worker for each whole CPU of the quota, and at least one', () => {
  const cores = availableParallelism()
  assert.is(
    countWorkers('auto', () => 1.5),
    1,
  )
  assert.is(
    countWorkers('auto', () => 0.5),
    1,
  )
  assert.is(
    countWorkers('auto', () => null),
    Math.min(cores, 64),
  )
  assert.is(
    countWorkers('auto', () => 1_000),
    Math.min(cores, 64),
  )
  assert.is(
    countWorkers(5, () => 1),
    5,
  )
})

test.run()
