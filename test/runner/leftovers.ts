import child_process from 'node:child_process'
import dns from 'node:dns'
import fs from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import timers from 'node:timers'
import { setTimeout as sleep } from 'node:timers/promises'
// Node replaces `process.chdir` when somebody loads this first.
import 'node:worker_threads'

// What a test file has left behind in a process that it shares with others: they would meet it.

/** What a file's tests have closed is gone soon after. A timer that would hold a process up for longer is a fault. */
const PATIENCE_MS = 10_000

/** Objects that all files of a process share, by their names. Functions of them that are replaced stay replaced. */
const SHARED: Readonly<Record<string, object>> = {
  globalThis,
  process,
  console,
  performance,
  Date,
  JSON,
  Math,
  Object,
  Promise,
  'process.stdout': process.stdout,
  'process.stderr': process.stderr,
  'Array.prototype': Array.prototype,
  'Buffer.prototype': Buffer.prototype,
  'Date.prototype': Date.prototype,
  'Object.prototype': Object.prototype,
  'String.prototype': String.prototype,
  'net.Socket.prototype': net.Socket.prototype,
  'node:child_process': child_process,
  'node:dns': dns,
  'node:fs': fs,
  'node:fs promises': fs.promises,
  'node:http': http,
  'node:https': https,
  'node:net': net,
  'node:timers': timers,
}

/** Listeners of these do no harm: they run when the process ends. */
const HARMLESS_EVENTS = new Set(['exit', 'beforeExit'])

/** Globals in which packages keep what they do not want to keep twice: they are made when the package is loaded. */
const OF_PACKAGES = /^(?:UVU_|__)/

/** Stands for what is not looked at, as Node replaces a getter by its value when somebody asks for it first. */
const GETTER = Symbol('getter')

/** Before any test can replace it. */
const { now } = Date

/** What holds the process open, and what all files in it share. */
export interface Surroundings {
  /** Handles and requests that hold the process open, by their kind. */
  readonly resources: ReadonlyMap<string, number>
  /** Listeners of the process, by their event. */
  readonly listeners: ReadonlyMap<string, number>
  readonly environment: ReadonlyMap<string, string>
  readonly folder: string
  /** Functions of what is shared, and all globals, by their names. */
  readonly shared: ReadonlyMap<string, unknown>
}

/** Looks at the process. Waits for a moment first, so that it always looks from the same place: a timer that ran out. */
export async function lookAround(): Promise<Surroundings> {
  await sleep(1)
  const listeners = new Map<string, number>()
  for (const event of process.eventNames()) {
    if (!HARMLESS_EVENTS.has(String(event))) listeners.set(String(event), process.listenerCount(event))
  }
  return {
    resources: countEach(process.getActiveResourcesInfo()),
    listeners,
    environment: new Map(Object.entries(process.env as Record<string, string>)),
    folder: process.cwd(),
    shared: collectShared(),
  }
}

/** @returns what has been left behind since then, in words, when all that goes by itself has had time to go */
export async function findLeftovers(before: Surroundings, patienceMs = PATIENCE_MS): Promise<string[]> {
  const deadline = now() + patienceMs
  for (;;) {
    const found = compare(before, await lookAround())
    if (found.length === 0 || now() > deadline) return found
    await sleep(20)
  }
}

function compare(before: Surroundings, after: Surroundings): string[] {
  const found: string[] = []
  for (const [kind, count] of after.resources) {
    const more = count - (before.resources.get(kind) ?? 0)
    if (more > 0) found.push(`${more} open: ${kind}`)
  }
  for (const [event, count] of after.listeners) {
    const more = count - (before.listeners.get(event) ?? 0)
    if (more > 0) found.push(`${more} more listeners of the process: ${event}`)
  }
  for (const event of before.listeners.keys()) {
    if (!after.listeners.has(event)) found.push(`listeners of the process are gone: ${event}`)
  }
  // No values: they may be secrets.
  for (const name of new Set([...before.environment.keys(), ...after.environment.keys()])) {
    if (before.environment.get(name) !== after.environment.get(name)) {
      found.push(`a variable of the environment has changed: ${name}`)
    }
  }
  if (before.folder !== after.folder) found.push(`the working directory has changed: ${after.folder}`)
  for (const name of new Set([...before.shared.keys(), ...after.shared.keys()])) {
    const was = before.shared.get(name)
    if (was !== GETTER && !Object.is(was, after.shared.get(name))) found.push(`has changed: ${name}`)
  }
  return found
}

function collectShared(): Map<string, unknown> {
  const shared = new Map<string, unknown>()
  for (const [name, object] of Object.entries(SHARED)) {
    // What is inherited as well: a clock that was stopped and runs again is a field of its own, with the same value.
    for (const owner of findOwners(object)) {
      for (const key of Object.getOwnPropertyNames(owner)) {
        const place = `${name}.${key}`
        if (shared.has(place) || (object === globalThis && OF_PACKAGES.test(key))) continue
        const { get, set, value } = Object.getOwnPropertyDescriptor(owner, key) as PropertyDescriptor
        if (get !== undefined || set !== undefined) shared.set(place, GETTER)
        // Fields that hold no functions change as the process goes on.
        else if (object === globalThis || typeof value === 'function') shared.set(place, value)
      }
    }
  }
  return shared
}

/** The object and all that it inherits from, but for what all objects do. */
function findOwners(object: object): object[] {
  const owners: object[] = [object]
  for (;;) {
    const next = Object.getPrototypeOf(owners.at(-1)) as object | null
    if (next === null || next === Object.prototype) return owners
    owners.push(next)
  }
}

function countEach(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}
