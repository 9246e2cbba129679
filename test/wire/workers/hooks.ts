import { readFileSync } from 'node:fs'

// Modules that the processes of a test load ahead of the relay (`node --import`), so that faults happen at one place.

/** For NODE_OPTIONS. */
export function preload(text: string): string {
  return `--import data:text/javascript,${encodeURIComponent(text)}`
}

/**
 * Ends the process that was started first with SIGKILL, as soon as it sends what the file names, such as `confirmed`,
 * to another one, or hears `ready` of it.
 */
export function dieAt(file: string): string {
  return preload(`
    import { ChildProcess } from 'node:child_process'
    import { readFileSync } from 'node:fs'
    const read = () => { try { return readFileSync(${JSON.stringify(file)}, 'utf8') } catch { return '' } }
    const isNow = (message) => {
      const values = message?.thinwire
      return Array.isArray(values) && values.some((value, at) => values[at - 1] === 'succession' && value.type === read())
    }
    if (process.env.THINWIRE_SUCCESSOR === undefined && process.argv[2] === 'start') {
      const { spawn } = ChildProcess.prototype
      ChildProcess.prototype.spawn = function (options) {
        const result = spawn.call(this, options)
        const { send, emit } = this
        if (send === undefined) return result
        this.send = function (message, ...more) {
          const sent = send.call(this, message, ...more)
          if (isNow(message)) process.kill(process.pid, 'SIGKILL')
          return sent
        }
        this.emit = function (name, ...values) {
          if (name === 'message' && isNow(values[0])) process.kill(process.pid, 'SIGKILL')
          return emit.call(this, name, ...values)
        }
        return result
      }
    }`)
}

/** While the file is there, no process can be started. */
export function refuseProcesses(file: string): string {
  return preload(`
    import { ChildProcess } from 'node:child_process'
    import { existsSync } from 'node:fs'
    const { spawn } = ChildProcess.prototype
    ChildProcess.prototype.spawn = function (options) {
      if (!existsSync(${JSON.stringify(file)})) return spawn.call(this, options)
      throw Object.assign(new Error('spawn ENOMEM'), { code: 'ENOMEM' })
    }`)
}

/** While the file is there, the disk takes no record. */
export function fillDisk(file: string): string {
  return preload(`
    import fs from 'node:fs'
    import disk from 'node:fs/promises'
    import { syncBuiltinESMExports } from 'node:module'
    const { existsSync, openSync } = fs
    const { open } = disk
    const isFull = (path) => /usage-[^/]*$/.test(String(path)) && existsSync(${JSON.stringify(file)})
    const full = () => Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
    fs.openSync = (path, flags, mode) => {
      if (flags === 'a' && isFull(path)) throw full()
      return openSync(path, flags, mode)
    }
    disk.open = async (path, ...more) => {
      const handle = await open(path, ...more)
      const write = handle.write.bind(handle)
      handle.write = async (...values) => {
        if (isFull(path)) throw full()
        return write(...values)
      }
      return handle
    }
    syncBuiltinESMExports()`)
}

/** Whether a process has a listener for the signal of that number. Linux. */
export function catches(pid: number, signal: number): boolean {
  try {
    const [, mask = '0'] = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    return ((BigInt(`0x${mask}`) >> BigInt(signal - 1)) & 1n) === 1n
  } catch {
    return false
  }
}
