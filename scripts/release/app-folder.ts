import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { readLock } from './lock.js'

// Makes the folder that a container image or an archive has: the built relay and the packages that it needs at run
// time, without what only people and tools read.
//   node dist/scripts/release/app-folder.js FOLDER

/** Files of packages that no relay loads. Licences have other names, or none of these endings, and stay. */
const UNUSED_FILE =
  /\.(?:ts|mts|cts|map|md|markdown|html|png|ya?ml|zip|sh|editorconfig)$|^\.|^(?:Makefile|Gruntfile\.js)$/

/** Files of our own that no relay loads. The page has HTML. */
const UNUSED_OWN = /\.(?:ts|map)$/

/** Folders at the top of a package that no relay loads. */
const UNUSED_FOLDER = /^(?:tests?|__tests__|docs?|bench|benchmarks?|examples?|fixtures|\..*)$/

const LICENCE = /^(?:licen[cs]e|copying|notice)/i

/**
 * Makes the folder: `package.json`, `dist/src`, `node_modules` and an empty `data`.
 * @param root the clone, built and with its packages installed
 * @param target is created, and must be empty
 * @throws if `target` has files, `root` is not built, or a package that `package-lock.json` names is not installed
 */
export function makeAppFolder(root: string, target: string): void {
  mkdirSync(target, { recursive: true })
  if (readdirSync(target).length > 0) throw new Error(`${target} is not empty: name a new folder`)
  mkdirSync(join(target, 'data'), { recursive: true })
  chmodSync(join(target, 'data'), 0o700)
  for (const name of ['package.json', 'LICENSE']) copyFileSync(join(root, name), join(target, name))
  copyTree(join(root, 'dist', 'src'), join(target, 'dist', 'src'), '', UNUSED_OWN)
  for (const { path } of readLock(readFileSync(join(root, 'package-lock.json'), 'utf8')).production)
    copyTree(join(root, path), join(target, path), path, UNUSED_FILE)
}

/** @param path of the package, if it is the top of one */
function copyTree(source: string, target: string, path: string, unused: RegExp): void {
  mkdirSync(target, { recursive: true })
  for (const entry of readdirSync(source, { withFileTypes: true })) {
    const from = join(source, entry.name)
    const to = join(target, entry.name)
    if (entry.isFile() || (entry.isSymbolicLink() && statSync(from).isFile())) {
      if (LICENCE.test(entry.name) || !unused.test(entry.name)) copyFileSync(from, to)
      continue
    }
    // Packages in a package have their own entries in the lock file.
    if (entry.name === 'node_modules' || (path !== '' && UNUSED_FOLDER.test(entry.name))) continue
    copyTree(from, to, '', unused)
  }
  dropIfEmpty(target)
}

/** A package that consists of types has no file left. */
function dropIfEmpty(folder: string): void {
  if (readdirSync(folder).length === 0) rmSync(folder, { recursive: true })
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [target] = process.argv.slice(2)
  if (target === undefined || basename(target) === '') {
    process.stderr.write('usage: node dist/scripts/release/app-folder.js FOLDER\n')
    process.exitCode = 2
  } else {
    makeAppFolder(join(dirname(process.argv[1] ?? ''), '..', '..', '..'), target)
  }
}
